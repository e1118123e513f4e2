#pragma once

#include "kernels/log_sum_exp.h"

namespace instructblip::kernels::reference {

// In double precision, rounded once.
void log_sum_exp(const LogSumExpProblem& problem, const LogSumExpBuffers& buffers, Queue& queue);

}  // namespace instructblip::kernels::reference
