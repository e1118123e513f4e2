// Single kernels, on one thread: every entry of every table that this machine supports, with bytes
// and operations a second. --benchmark_filter=linear/.*/decode picks some out.
#include "benchmarks/kernels/each_kernel.h"

int main(int argc, char** argv) {
  namespace of = instructblip::kernels::benchmarks;
  ::benchmark::Initialize(&argc, argv);
  if (::benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  of::register_attention();
  of::register_linear();
  of::register_paged_attention();
  of::register_kv_append();
  of::register_log_sum_exp();
  of::register_norm();
  of::register_packed_linear();
  of::register_resample();
  ::benchmark::RunSpecifiedBenchmarks();
  ::benchmark::Shutdown();
}
