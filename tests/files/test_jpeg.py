"""What a JPEG file keeps."""

import io

import numpy as np
from PIL import Image

from convscope.files import as_jpeg
from tests.helpers.toys import images


def test_jpeg_is_what_pillow_writes_and_reads() -> None:
    for channels in (1, 3):
        image = (images(1, 16)[:, :channels].clamp(0, 1) * 255).round() / 255
        array = (image[0].permute(1, 2, 0).numpy() * 255).round().astype(np.uint8).squeeze()
        file = io.BytesIO()
        Image.fromarray(array).save(file, "jpeg", quality=95)
        expected = np.asarray(Image.open(file), dtype=np.float64).reshape(16, 16, channels) / 255
        found = as_jpeg(image, 95)
        np.testing.assert_allclose(found[0].permute(1, 2, 0).numpy(), expected, atol=1e-6)
