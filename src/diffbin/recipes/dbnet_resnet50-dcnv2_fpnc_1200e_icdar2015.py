"""DBNet with a deformable ResNet-50 on ICDAR 2015, as published in the model card of MMOCR 1.0.

To expect: precision 0.8784, recall 0.8315, hmean 0.8543 on the 500 test pictures, best of the score thresholds 0.3 to
0.9, where training starts from weights of SynthText, given by --weights, as published; not measured here. Batch 16 on
one GPU.

`data.root` holds `icdar2015/train/{images,gt}` and `icdar2015/test/{images,gt}`, as the organisers name the files.

    diffbin train dbnet_resnet50-dcnv2_fpnc_1200e_icdar2015 --weights synthtext.pth --set data.root=data
"""

from diffbin.config import (
    Augment,
    Data,
    Decode,
    Loss,
    Model,
    Optim,
    Preprocess,
    Recipe,
    Source,
    Targets,
    Train,
)
from diffbin.published import Published

PUBLISHED = Published(
    source="MMOCR 1.0",
    precision=0.8784,
    recall=0.8315,
    hmean=0.8543,
    weights="textdet/dbnet/dbnet_resnet50-dcnv2_fpnc_1200e_icdar2015/"
    "dbnet_resnet50-dcnv2_fpnc_1200e_icdar2015_20220828_124917-452c443c.pth",
    start="textdet/dbnet/tmp_1.0_pretrain/dbnet_r50dcnv2_fpnc_sbn_2e_synthtext_20210325-ed322016.pth",
)

RECIPE = Recipe(
    name="dbnet_resnet50-dcnv2_fpnc_1200e_icdar2015",
    model=Model(backbone="resnet50_dcnv2", lateral_channels=256, smooth_channels=64),
    preprocess=Preprocess(long_px=4068, short_px=1024),
    decode=Decode(shape="quad", mask_threshold=0.3, score_threshold=0.3, unclip_ratio=1.5, epsilon_ratio=0.01),
    targets=Targets(shrink_ratio=0.4, threshold_min=0.3, threshold_max=0.7, min_side_px=8.0),
    loss=Loss(prob_weight=5.0, threshold_weight=10.0, binary_weight=1.0, negative_ratio=3.0),
    augment=Augment(crop="text", crop_px=640, flip_p=0.5, rotate_deg=10.0, scale_min=0.5, scale_max=3.0),
    data=Data(
        root="data",
        train=(Source(format="icdar", images="icdar2015/train/images", labels="icdar2015/train/gt"),),
        validation=(Source(format="icdar", images="icdar2015/test/images", labels="icdar2015/test/gt"),),
        batch_size=16,
        workers=8,
    ),
    optim=Optim(name="sgd", lr=0.007, momentum=0.9, weight_decay=1e-4, schedule="poly", power=0.9, per="epoch"),
    # evaluates and saves each 20 epochs
    train=Train(epochs=1200, eval_every_steps=1240, save_every_steps=1240, precision="bf16"),
)
