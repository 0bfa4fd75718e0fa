"""PP-OCRv6's small detector, a DBNet for lines (arXiv 2606.13108), as PaddleOCR publishes it (Apache-2.0).

Its authors trained it on pictures of their own; `diffbin zoo get ppocrv6_small` has the weights, and the package
rapidocr 3.10 carries them, too: `diffbin zoo import PP-OCRv6_det_small.onnx`. Answers are those of that file; see
`model/paddle`. What follows trains them further on MSRA-TD500, in the layout of dbnet_resnet18_td500:

    diffbin zoo get ppocrv6_small
    diffbin train ppocrv6_small --weights ppocrv6_small --set data.root=data
"""

from diffbin.config import Augment, Data, Decode, Model, Optim, Preprocess, Recipe, Source, Targets, Train
from diffbin.published import Published

PUBLISHED = Published(
    source="PaddleOCR",
    base="https://www.modelscope.cn/models/RapidAI/RapidOCR/resolve/v3.10.0/",
    weights="onnx/PP-OCRv6/det/PP-OCRv6_det_small.onnx",
    digest="090f04abcd9d9a7498bc4ebf677e4cb9bdce1fe4197ddb7e529f1ef44e1ff94f",
)

RECIPE = Recipe(
    name="ppocrv6_small",
    model=Model(backbone="lcnetv4", neck="replkfpn", lateral_channels=96, smooth_channels=24),
    preprocess=Preprocess(
        long_px=1312,
        short_px=736,
        mean_rgb=(103.53, 116.28, 123.675),  # of BGR, as PaddleOCR gives them
        std_rgb=(57.375, 57.12, 58.395),
    ),
    decode=Decode(shape="quad", mask_threshold=0.3, score_threshold=0.6, unclip_ratio=1.5, epsilon_ratio=0.002),
    targets=Targets(shrink_ratio=0.4, threshold_min=0.3, threshold_max=0.7, min_side_px=8.0),
    augment=Augment(crop="scale", crop_px=640, rotate_deg=30.0, scale_min=0.4, scale_max=1.1),
    data=Data(
        root="data",
        train=(Source(format="td500", images="td500/train/images", labels="td500/train/gt"),),
        validation=(Source(format="td500", images="td500/test/images", labels="td500/test/gt"),),
        batch_size=8,
        workers=2,
    ),
    optim=Optim(
        name="adamw", lr=1e-4, weight_decay=0.01, schedule="cosine", warmup_ratio=0.02, per="step", clip_norm=5.0
    ),
    train=Train(steps=2000, eval_every_steps=500, save_every_steps=500, precision="bf16", ema_decay=0.998),
)
