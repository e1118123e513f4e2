#include "projection/projection.h"

namespace instructblip {

Projection::Projection(const nn::Weights& weights, std::int64_t from, std::int64_t to)
    : linear_(weights, from, to) {}

}  // namespace instructblip
