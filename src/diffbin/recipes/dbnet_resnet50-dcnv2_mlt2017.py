"""DBNet with a deformable ResNet-50 on ICDAR 2017 MLT, as in the paper (arXiv 1911.08947).

To expect: precision 0.8310, recall 0.6790, hmean 0.7470 on the test pictures, at a short side of 768 here (the paper's
figure; not measured here). Training starts from weights of 100,000 steps on SynthText, given by --weights. Batch 16 on
one GPU.

`data.root` holds `mlt2017/train/{images,gt}` and `mlt2017/validation/{images,gt}`, as the organisers name the files.
The labels of the 9,000 test pictures are not public: validation is on the validation set, the published figure is not.

    diffbin train dbnet_resnet50-dcnv2_mlt2017 --set data.root=data
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
    precision=0.831,
    recall=0.679,
    hmean=0.747,
)

RECIPE = Recipe(
    name="dbnet_resnet50-dcnv2_mlt2017",
    model=Model(backbone="resnet50_dcnv2", lateral_channels=256, smooth_channels=64),
    preprocess=Preprocess(long_px=4068, short_px=768),
    decode=Decode(shape="quad", mask_threshold=0.3, score_threshold=0.3, unclip_ratio=1.5, epsilon_ratio=0.01),
    targets=Targets(shrink_ratio=0.4, threshold_min=0.3, threshold_max=0.7, min_side_px=8.0),
    loss=Loss(prob_weight=5.0, threshold_weight=10.0, binary_weight=1.0, negative_ratio=3.0),
    augment=Augment(crop="text", crop_px=640, flip_p=0.5, rotate_deg=10.0, scale_min=0.5, scale_max=3.0),
    data=Data(
        root="data",
        train=(Source(format="mlt", images="mlt2017/train/images", labels="mlt2017/train/gt"),),
        validation=(Source(format="mlt", images="mlt2017/validation/images", labels="mlt2017/validation/gt"),),
        batch_size=16,
        workers=8,
    ),
    optim=Optim(name="sgd", lr=0.007, momentum=0.9, weight_decay=1e-4, schedule="poly", power=0.9, per="epoch"),
    # evaluates and saves each 20 epochs
    train=Train(epochs=1200, eval_every_steps=9000, save_every_steps=9000, precision="bf16"),
)
