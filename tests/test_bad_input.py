"""Every bad picture and query gets a ValueError by the rule, or a right result."""

from __future__ import annotations

import contextlib
import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, strategies as st
from PIL import Image

from csp import images
from csp.models.prompt import clean_query


def encoded(image: Image.Image, format: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


def png_header(width: int, height: int) -> bytes:
    """A PNG that claims a size and holds no pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b""))
        + chunk(b"IEND", b"")
    )


@pytest.fixture
def photo(picture: np.ndarray) -> Image.Image:
    return Image.fromarray(picture)


def test_plain_picture_is_read_as_it_is(photo: Image.Image, picture: np.ndarray, tmp_path: Path) -> None:
    photo.save(tmp_path / "a.png")
    for source in (photo, picture, encoded(photo, "PNG"), tmp_path / "a.png", str(tmp_path / "a.png")):
        np.testing.assert_array_equal(images.read(source), picture)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", r"empty \(0 bytes\)"),
        (b"hello, this is text", "not a picture"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not a picture"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "not a picture"),
        (png_header(8000, 5001), r"at most 40 megapixels, got 8000x5001 = 40\.0"),
        (png_header(12000, 12000), "at most 40 megapixels"),
        (png_header(60000, 60000), "at most 40 megapixels"),
        (png_header(1, 40_000_000), "sides may be at most 16384 pixels, got 1x40000000"),
        (png_header(16_385, 1000), "sides may be at most 16384"),
        (png_header(9, 10_000), "at most 1000 times as long as it is wide, got 9x10000"),
        (png_header(100, 100), "damaged or cut short"),
    ],
)
@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_what_is_no_picture_is_refused(data: bytes, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        images.read(data)


def test_bomb_warnings_that_are_errors_are_refused_as_well() -> None:
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(ValueError, match="at most 40 megapixels"):
            images.read(png_header(12000, 12000))


@pytest.mark.parametrize("format", ["JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF"])
def test_a_file_cut_short_is_refused(photo: Image.Image, format: str) -> None:
    data = encoded(photo.resize((300, 300)), format)
    with pytest.raises(ValueError, match=r"damaged or cut short|not a picture"):
        images.read(data[: len(data) // 2])


@pytest.mark.parametrize("size", [(1, 1), (8, 6000), (6000, 8)])
def test_odd_sizes_are_read(size: tuple[int, int]) -> None:
    assert images.read(Image.new("RGB", size, "red")).shape == (size[1], size[0], 3)


def test_sixteen_bits_become_eight() -> None:
    ramp = (np.arange(64, dtype=np.uint16) * 1024).reshape(8, 8)
    for data in (encoded(Image.fromarray(ramp), "PNG"), encoded(Image.fromarray(ramp), "TIFF")):
        np.testing.assert_array_equal(images.read(data)[..., 1], ramp >> 8)


def test_more_than_sixteen_bits_and_floats_are_refused() -> None:
    with pytest.raises(ValueError, match="more than 16 bits"):
        images.read(Image.fromarray(np.full((4, 4), 1 << 20, np.int32)))
    with pytest.raises(ValueError, match="floating-point"):
        images.read(Image.fromarray(np.ones((4, 4), np.float32)))


def test_cmyk_grey_and_bilevel_become_rgb() -> None:
    red = encoded(Image.new("CMYK", (8, 8), (0, 255, 255, 0)), "JPEG", quality=100)
    np.testing.assert_allclose(images.read(red).reshape(-1, 3).mean(0), (255, 0, 0), atol=12)
    assert (images.read(Image.new("L", (3, 2), 77)) == 77).all()
    assert (images.read(Image.new("1", (3, 2), 1)) == 255).all()


def test_transparency_is_laid_on_white() -> None:
    rgba = Image.new("RGBA", (4, 4), (10, 20, 30, 0))
    rgba.putpixel((1, 1), (10, 20, 30, 255))
    for data in (
        encoded(rgba, "PNG"),
        encoded(rgba.convert("P", palette=Image.Palette.ADAPTIVE), "PNG", transparency=0),
    ):
        pixels = images.read(data)
        assert (pixels[0, 0] == 255).all() or (pixels[1, 1] == 255).all()
    assert tuple(images.read(rgba)[1, 1]) == (10, 20, 30)
    assert tuple(images.read(Image.new("LA", (2, 2), (0, 128)))[0, 0]) == (127, 127, 127)


def test_of_an_animation_the_first_frame_counts() -> None:
    frames = [Image.new("RGB", (6, 5), colour) for colour in ("red", "lime", "blue")]
    data = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert (images.read(data) == (255, 0, 0)).all()


def test_exif_rotation_is_applied(photo: Image.Image, picture: np.ndarray) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    upright = images.read(encoded(photo, "PNG", exif=exif))
    np.testing.assert_array_equal(upright, np.rot90(picture, -1))


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((4, 4, 3), np.float32),
        np.zeros((4, 4), np.uint8),
        np.zeros((4, 4, 4), np.uint8),
        np.zeros((3, 4, 4), np.uint8),
    ],
)
def test_arrays_of_another_kind_are_refused(array: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"uint8 RGB of shape \[H, W, 3\]"):
        images.read(array)


def test_no_pixels_no_file_no_picture() -> None:
    with pytest.raises(ValueError, match="no pixels"):
        images.read(np.zeros((0, 4, 3), np.uint8))
    with pytest.raises(ValueError, match=r"there is no picture file 'nowhere.png'"):
        images.read("nowhere.png")
    with pytest.raises(ValueError, match="got NoneType"):
        images.read(None)  # type: ignore[arg-type]


@pytest.mark.filterwarnings("ignore:.*EXIF data:UserWarning")
@given(
    st.binary(max_size=300),
    st.sampled_from([b"", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"\xff\xd8\xff\xe0", b"BM", b"II*\x00", b"RIFF"]),
)
def test_any_bytes_are_read_or_refused(tail: bytes, head: bytes) -> None:
    with contextlib.suppress(ValueError):
        assert images.read(head + tail).dtype == np.uint8


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("", "1 to 512 characters, got nothing"),
        ("   \n\t ", "got nothing"),
        ("a" * 513, "got 513"),
        ("red\x00ball", r"control character U\+0000 at place 4"),
        ("\x1b[31mball", r"U\+001B at place 1"),
        ("ball\ud800", r"U\+D800"),
        (None, "must be text, got NoneType"),
        (7, "must be text, got int"),
    ],
)
def test_queries_that_will_not_do(query: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        clean_query(query)


@pytest.mark.parametrize(
    "query", ["a" * 512, "le 🐕 rouge", "الكرة الحمراء", "赤いボール", "<image> [SEG] </s>"]
)
def test_queries_that_will_do(query: str) -> None:
    assert clean_query(f"  {query}\n") == query


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP"])
def test_a_picture_is_decoded_to_the_size_that_is_needed(format: str, photo: Image.Image) -> None:
    large = photo.resize((1200, 600))
    file = encoded(large, format)
    got = images.read(file, longest=300)
    assert got.shape == (150, 300, 3)
    exact = np.asarray(Image.open(io.BytesIO(file)).convert("RGB").resize((300, 150), Image.Resampling.LANCZOS))
    assert np.abs(got.astype(int) - exact).mean() < 6
    np.testing.assert_array_equal(images.read(file, longest=1200), images.read(file))
    assert images.read(np.asarray(large), longest=300).shape == (150, 300, 3)
    assert large.size == (1200, 600) and images.read(large, longest=300).shape == (150, 300, 3) and large.size == (1200, 600)


def test_a_turned_picture_is_made_smaller_the_right_way_round(photo: Image.Image) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    file = encoded(photo.resize((400, 200)), "JPEG", exif=exif)
    assert images.read(file, longest=100).shape == (100, 50, 3)


@pytest.mark.parametrize("channels_first", [True, False])
@pytest.mark.parametrize("dtype", ["uint8", "int64", "float32", "bfloat16"])
def test_tensors_are_pictures(dtype: str, channels_first: bool) -> None:
    torch = pytest.importorskip("torch")
    picture = np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8)
    tensor = torch.from_numpy(picture)
    tensor = tensor.permute(2, 0, 1) if channels_first else tensor
    kind = getattr(torch, dtype)
    tensor = (tensor / 255).to(kind) if kind.is_floating_point else tensor.to(kind)
    if dtype == "int64":
        with pytest.raises(images.Refused, match="uint8 RGB of shape"):
            images.read(tensor)
        return
    read = images.read(tensor.requires_grad_() if kind.is_floating_point else tensor)
    assert read.dtype == np.uint8 and np.abs(read.astype(int) - picture).max() <= (1 if dtype == "bfloat16" else 0)


def test_a_normalised_tensor_is_refused() -> None:
    torch = pytest.importorskip("torch")
    with pytest.raises(images.Refused, match="undo its normalisation"):
        images.read(torch.randn(3, 8, 8))


def test_stacks_and_lists_are_several_pictures() -> None:
    picture = np.zeros((5, 7, 3), np.uint8)
    one, single = images.read_all(picture)
    assert [p.shape for p in one] == [(5, 7, 3)] and single
    two, single = images.read_all([picture, picture[:4]])
    assert [p.shape for p in two] == [(5, 7, 3), (4, 7, 3)] and not single
    assert len(images.read_all(np.stack([picture] * 3))[0]) == 3
