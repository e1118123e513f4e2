#include "instructblip/checkpoint.h"

#include "api/backend.h"
#include "core/boundary.h"
#include "instructblip/quantization.h"

namespace instructblip {

std::string_view to_string(Numerics numerics) noexcept {
  switch (numerics) {
    case Numerics::automatic:
      return "auto";
    case Numerics::reference:
      return "reference";
    case Numerics::deterministic:
      return "deterministic";
    case Numerics::fast:
      return "fast";
  }
  return "";
}

std::string_view to_string(Compat compat) noexcept {
  return compat == Compat::lavis ? "lavis" : "hf";
}

ConvertReport convert(const std::filesystem::path& checkpoint_dir,
                      const std::filesystem::path& output, const LoadOptions& options,
                      const ConvertOptions& how) {
  return at_boundary([&] { return backend().convert(checkpoint_dir, output, options, how); });
}

QuantizeReport quantize(const std::filesystem::path& checkpoint_dir,
                        const std::filesystem::path& output, const LoadOptions& options,
                        const QuantizeOptions& how) {
  return at_boundary([&] { return backend().quantize(checkpoint_dir, output, options, how); });
}

}  // namespace instructblip
