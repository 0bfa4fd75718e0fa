"""Trains the embedded model further, on labelled words of one's own.

`data.root` holds `images/` and `gt/`: for each picture a text file with a line `x1,y1,...,x4,y4,text` a word. On a CPU
without bfloat16 instructions add `--set train.precision=32`. Every tenth picture in name order is kept for validation.

    diffbin train words_finetune --weights diffbin-words --set data.root=mydata --out runs/mine
"""

from diffbin.config import Augment, Data, Decode, Model, Optim, Preprocess, Recipe, Source, Train

RECIPE = Recipe(
    name="words_finetune",
    model=Model(backbone="resnet18_half", lateral_channels=64, smooth_channels=16),
    preprocess=Preprocess(long_px=1824, short_px=1024),
    decode=Decode(shape="quad", mask_threshold=0.55, score_threshold=0.75, unclip_ratio=2.1, min_width_px=3.0),
    augment=Augment(
        crop_px=416,
        crop="scale",
        scale_min=0.7,
        scale_max=1.9,
        brightness_delta=0.35,
        contrast_delta=0.3,
        blur_p=0.1,
        noise_p=0.1,
        flip_p=0.0,
    ),
    data=Data(
        root="mydata",
        train=(Source(format="icdar", images="images", labels="gt", part="!9::10"),),
        validation=(Source(format="icdar", images="images", labels="gt", part="9::10"),),
        batch_size=8,
        workers=2,
    ),
    optim=Optim(
        name="adamw", lr=5e-4, weight_decay=0.01, schedule="cosine", warmup_ratio=0.05, per="step", clip_norm=5.0
    ),
    train=Train(steps=2000, eval_every_steps=500, save_every_steps=500, precision="bf16", ema_decay=0.998),
)
