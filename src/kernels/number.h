// The numbers that processors multiply, each kind at a speed of its own.
#pragma once

namespace instructblip::kernels {

enum class Number { f32, bf16, int16, int8 };

}  // namespace instructblip::kernels
