// Options that `bench` alone has, or that mean something else there.
#pragma once

#include <span>

#include "cli/options.h"

namespace instructblip::cli {

std::span<const OptionRow> bench_option_rows();

}  // namespace instructblip::cli
