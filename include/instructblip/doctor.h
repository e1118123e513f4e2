/// What the library finds on this machine: the processor, its own parts, and the kernels that it
/// would run. For bug reports, and to choose kernels by name.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "instructblip/export.h"

namespace instructblip {

/// A kernel that an operation may run.
struct KernelReport {
  std::string name;
  bool used = false;           ///< an everyday problem is given to it
  bool row_invariant = false;  ///< a row has the same bits whatever is computed beside it
  std::string unfit;           ///< why this machine cannot run it; empty where it can
  /// Weights that it is used for, "f16" or "q8", where kernels share them; else empty. "bf16 times
  /// bf16": where it may round rows too, see Precision::bf16.
  std::vector<std::string> used_for = {};
};

/// An operation with its kernels, best first. The processor's last one is plain loops that judge
/// the others; a device has LibTorch's operations where none of its kernels takes the sizes.
struct OperationReport {
  std::string name;     ///< "linear"
  std::string purpose;  ///< what it computes, in a few words
  bool forced = false;  ///< its kernel was named, by the argument or by INSTRUCTBLIP_KERNELS
  std::vector<KernelReport> kernels;
};

/// A part of the library that is opened when it is first needed.
struct ModuleReport {
  std::string file;     ///< where it is, or should be
  std::string purpose;  ///< what needs it
  bool found = false;
};

/// A device that the driver names.
struct DeviceReport {
  std::string name;               ///< "cuda:0", as LoadOptions::device takes it
  std::string model;              ///< "NVIDIA H100 80GB HBM3"
  std::int64_t memory_bytes = 0;  ///< in all
  std::string unfit;              ///< why no model can run there; empty where one can
};

struct SystemReport {
  std::string version;                        ///< the library's
  std::string processor;                      ///< as the system names it
  std::vector<std::string> instruction_sets;  ///< those that kernels are written for
  int threads = 0;  ///< what LoadOptions::threads = 0 starts, but for a small checkpoint
  std::vector<ModuleReport> modules;
  std::vector<DeviceReport> devices;
  std::string no_cuda;  ///< why DeviceType::automatic takes the processor; empty: it takes cuda:0
  std::vector<OperationReport> operations;       ///< with kernels of the processor
  std::vector<OperationReport> cuda_operations;  ///< with kernels of CUDA devices, for f16 and bf16
};

/// Looks at this machine. Opens no module, so that LibTorch is not loaded; may run concurrently.
///
/// @param kernels  kernels forced by operation, "linear=reference,paged_attention=portable"; what
///                 it leaves open, the variable INSTRUCTBLIP_KERNELS may say. Error
///                 (invalid_argument) for a name that there is not, with those that there are, and
///                 for a kernel that this machine cannot run, with the reason.
INSTRUCTBLIP_API SystemReport examine_system(const std::string& kernels = {});

}  // namespace instructblip
