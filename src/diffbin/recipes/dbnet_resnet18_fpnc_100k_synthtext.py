"""DBNet with ResNet-18 on SynthText, the pre-training of published rows, as in the model card of MMOCR 1.0.

There is no published score of this stage; its weights are what the recipes on real pictures start from. 100,000 steps
of 16 pictures on one GPU. The backbone starts from ImageNet weights, given by --backbone.

`data.root` holds `synthtext/` with the pictures in their numbered folders and `gt.mat`, as the authors distribute them.

    diffbin train dbnet_resnet18_fpnc_100k_synthtext --set data.root=data
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
    weights="textdet/dbnet/dbnet_resnet18_fpnc_100k_synthtext/dbnet_resnet18_fpnc_100k_synthtext-2e9bf392.pth",
)

RECIPE = Recipe(
    name="dbnet_resnet18_fpnc_100k_synthtext",
    model=Model(backbone="resnet18", lateral_channels=256, smooth_channels=64),
    preprocess=Preprocess(long_px=1333, short_px=736),
    decode=Decode(shape="quad", mask_threshold=0.3, score_threshold=0.3, unclip_ratio=1.5, epsilon_ratio=0.01),
    targets=Targets(shrink_ratio=0.4, threshold_min=0.3, threshold_max=0.7, min_side_px=8.0),
    loss=Loss(prob_weight=5.0, threshold_weight=10.0, binary_weight=1.0, negative_ratio=3.0),
    augment=Augment(crop="text", crop_px=640, flip_p=0.5, rotate_deg=10.0, scale_min=0.5, scale_max=3.0),
    data=Data(
        root="data",
        train=(Source(format="synthtext", images="synthtext", labels="synthtext/gt.mat"),),
        batch_size=16,
        workers=8,
    ),
    optim=Optim(name="sgd", lr=0.007, momentum=0.9, weight_decay=1e-4, schedule="poly", power=0.9, per="step"),
    train=Train(steps=100_000, save_every_steps=5000, precision="bf16"),
)
