"""DBNet with a deformable ResNet-18 on SCUT-CTW1500, as in the paper (arXiv 1911.08947).

To expect: precision 0.8480, recall 0.7750, hmean 0.8100 on the 500 test pictures, at a height of 1024 (the paper's
figure; not measured here). The paper's figures for ResNet-18 are those with deformable convolution in its last three
stages, and so is this network. Training starts from weights of 100,000 steps on SynthText, given by --weights. Batch 16
on one GPU.

`data.root` holds `ctw1500/train/{images,gt}` and `ctw1500/test/{images,gt}`, labels as the set gives them: polygons of
14 points, in XML or text files.

    diffbin train dbnet_resnet18_ctw1500 --set data.root=data
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
    source="paper",
    precision=0.848,
    recall=0.775,
    hmean=0.81,
)

RECIPE = Recipe(
    name="dbnet_resnet18_ctw1500",
    model=Model(backbone="resnet18_dcnv2", lateral_channels=256, smooth_channels=64),
    preprocess=Preprocess(long_px=4068, short_px=1024),
    decode=Decode(shape="polygon", mask_threshold=0.3, score_threshold=0.3, unclip_ratio=1.5, epsilon_ratio=0.01),
    targets=Targets(shrink_ratio=0.4, threshold_min=0.3, threshold_max=0.7, min_side_px=8.0),
    loss=Loss(prob_weight=5.0, threshold_weight=10.0, binary_weight=1.0, negative_ratio=3.0),
    augment=Augment(crop="text", crop_px=640, flip_p=0.5, rotate_deg=10.0, scale_min=0.5, scale_max=3.0),
    data=Data(
        root="data",
        train=(Source(format="ctw1500", images="ctw1500/train/images", labels="ctw1500/train/gt"),),
        validation=(Source(format="ctw1500", images="ctw1500/test/images", labels="ctw1500/test/gt"),),
        batch_size=16,
        workers=8,
    ),
    optim=Optim(name="sgd", lr=0.007, momentum=0.9, weight_decay=1e-4, schedule="poly", power=0.9, per="epoch"),
    # evaluates and saves each 20 epochs
    train=Train(epochs=1200, eval_every_steps=1240, save_every_steps=1240, precision="bf16"),
)
