"""What a training process may know of its surroundings: no address of a server and no secret of this installation."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from app.training.devices import Device

ROOT = Path(__file__).resolve().parent.parent.parent
ALLOWED = {
    "ALL_PROXY",
    "CURL_CA_BUNDLE",
    "HOME",
    "HTTPS_PROXY",
    "HTTP_PROXY",
    "LANG",
    "LANGUAGE",
    "LD_LIBRARY_PATH",
    "LOGNAME",
    "NO_PROXY",
    "PATH",
    "REQUESTS_CA_BUNDLE",
    "SSL_CERT_DIR",
    "SSL_CERT_FILE",
    "TMPDIR",
    "TZ",
    "USER",
}
# HF_TOKEN is among them on purpose: gated models need it, and it is given for that.
PREFIXES = ("CUDA_", "HF_", "LC_", "MKL_", "NCCL_", "NVIDIA_", "OMP_", "PYTORCH_", "TORCH_", "XDG_CACHE_")


def of_child(given: Mapping[str, str], device: Device) -> dict[str, str]:
    """An allow-list, since nobody can list all secrets; and the one device that the attempt holds."""
    passed = {name: value for name, value in given.items() if name.upper() in ALLOWED or name.startswith(PREFIXES)}
    return {
        **passed,
        "CUDA_DEVICE_ORDER": "PCI_BUS_ID",
        "CUDA_VISIBLE_DEVICES": device.visible,
        "PYTHONPATH": str(ROOT),
        "PYTHONUNBUFFERED": "1",
    }
