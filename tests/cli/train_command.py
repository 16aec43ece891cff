"""The command line of a training that takes seconds."""

NETWORK = {
    "--weights": "none",
    "--variant": "c2d",
    "--nonlocal-blocks": "0",
    "--width": "4",
    "--num-frames": "4",
    "--frame-stride": "1",
    "--crop-size": "32",
    "--batch-size": "4",
    "--num-clips": "2",
    "--num-crops": "1",
    "--jit": "off",
}


def arguments(videos, output, **changes):
    """The command's arguments; `batch_size=8` is `--batch-size 8`."""
    options = dict(NETWORK)
    for name, value in changes.items():
        options[f"--{name.replace('_', '-')}"] = value
    listed = [videos, "--output", output]
    for name, value in options.items():
        listed += [name] if value is True else [name, *str(value).split()]
    return ["train", *map(str, listed)]
