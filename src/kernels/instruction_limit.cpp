#include "kernels/instruction_limit.h"

#include <algorithm>
#include <iterator>
#include <string>

#include "core/errors.h"

namespace instructblip::kernels {

Machine limited(Machine machine, std::string_view newest) {
  enum Level { portable, avx2, avx_vnni, avx512, avx512_vnni, avx512_bf16, amx };
  constexpr std::string_view kNames[] = {"portable",    "avx2",        "avx_vnni", "avx512",
                                         "avx512_vnni", "avx512_bf16", "amx"};
  const auto* const found = std::ranges::find(kNames, newest);
  if (found == std::end(kNames)) {
    std::string names;
    for (const std::string_view name : kNames) (names += names.empty() ? "" : ", ") += name;
    throw Error(ErrorCode::invalid_argument, std::string(kInstructionsVariable) +
                                                 ": expected one of " + names + ", found " +
                                                 quote(newest));
  }
  const auto limit = static_cast<Level>(found - std::begin(kNames));
  const auto belongs_to = [limit](Level level, bool& has) { has = has && level <= limit; };
  for (bool* has : {&machine.avx2, &machine.fma, &machine.f16c}) belongs_to(avx2, *has);
  // Newer than AVX-512 and its VNNI, and beside them in those with AMX alone.
  machine.avxvnni = machine.avxvnni && (limit == avx_vnni || limit == amx);
  for (bool* has : {&machine.avx512f, &machine.avx512bw, &machine.avx512vl}) {
    belongs_to(avx512, *has);
  }
  belongs_to(avx512_vnni, machine.avx512vnni);
  belongs_to(avx512_bf16, machine.avx512bf16);
  for (bool* has : {&machine.amx_tile, &machine.amx_int8, &machine.amx_bf16}) {
    belongs_to(amx, *has);
  }
  return machine;
}

}  // namespace instructblip::kernels
