"""The machine: psutil for processor, memory, sensors, network and disk; NVML for NVIDIA GPUs."""
