"""DBNet with ResNet-18 on Total-Text, as published in the model card of MMOCR 1.0.

To expect: precision 0.8640, recall 0.7770, hmean 0.8182 on the 300 test pictures, best of the score thresholds 0.3 to
0.9, where the backbone starts from ImageNet weights, given by --backbone, as published; not measured here. Batch 16 on
one GPU. The published model answers quads; for curved outlines add `--set decode.shape=polygon`.

`data.root` holds `totaltext/train/{images,gt}` and `totaltext/test/{images,gt}`, labels as polygons in text files.

    diffbin train dbnet_resnet18_fpnc_1200e_totaltext --set data.root=data
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
    precision=0.864,
    recall=0.777,
    hmean=0.8182,
    weights="textdet/dbnet/dbnet_resnet18_fpnc_1200e_totaltext/dbnet_resnet18_fpnc_1200e_totaltext-3ed3233c.pth",
)

RECIPE = Recipe(
    name="dbnet_resnet18_fpnc_1200e_totaltext",
    model=Model(backbone="resnet18", lateral_channels=256, smooth_channels=64),
    preprocess=Preprocess(long_px=1333, short_px=736),
    decode=Decode(shape="quad", mask_threshold=0.3, score_threshold=0.3, unclip_ratio=1.5, epsilon_ratio=0.01),
    targets=Targets(shrink_ratio=0.4, threshold_min=0.3, threshold_max=0.7, min_side_px=8.0),
    loss=Loss(prob_weight=5.0, threshold_weight=10.0, binary_weight=1.0, negative_ratio=3.0),
    augment=Augment(crop="text", crop_px=640, flip_p=0.5, rotate_deg=10.0, scale_min=0.5, scale_max=3.0),
    data=Data(
        root="data",
        train=(Source(format="totaltext", images="totaltext/train/images", labels="totaltext/train/gt"),),
        validation=(Source(format="totaltext", images="totaltext/test/images", labels="totaltext/test/gt"),),
        batch_size=16,
        workers=8,
    ),
    optim=Optim(name="sgd", lr=0.007, momentum=0.9, weight_decay=1e-4, schedule="poly", power=0.9, per="epoch"),
    # evaluates and saves each 20 epochs
    train=Train(epochs=1200, eval_every_steps=1560, save_every_steps=1560, precision="bf16"),
)
