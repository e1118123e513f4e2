// instructblip bench: times the stages of models.
#include "cli/bench_output.h"
#include "cli/session.h"

namespace instructblip::cli {
namespace {

ExitCode bench(Session& session) {
  const Settings& settings = session.settings;
  BenchmarkOptions options = settings.bench;
  if (options.models.empty() && options.synthetic.empty()) {
    throw Failure(ExitCode::usage,
                  "bench: --model or --synthetic is missing\n  hint: instructblip bench "
                  "--synthetic instructblip-flan-t5-xl --layers 2");
  }
  // Before minutes are spent on what it is compared with.
  const EarlierRun earlier = settings.compare.empty() ? EarlierRun() : EarlierRun(settings.compare);
  const Interrupt::Graceful graceful(session.interrupt);
  options.load = settings.load;
  options.stop = session.interrupt.token();
  options.progress = [&](const std::string& what) {
    session.progress.begin(what, Progress::Unit::none);
  };
  for (const int threads : options.threads) session.warn_of_threads(threads);
  const BenchmarkReport report = during(Stage::load, [&] { return benchmark(options); });
  session.progress.end();
  const SystemReport machine = examine_system({});
  session.output.write(settings.json ? to_json(report, machine, earlier) + "\n"
                                     : to_text(report, machine, earlier));
  return report.complete ? ExitCode::success : ExitCode::interrupted;
}

constexpr Takes kTakes[] = {"device", "pin", "deterministic", "json", "quiet"};

}  // namespace

extern const Command kBench = {
    .name = "bench",
    .usage = "(--model DIR | --synthetic NAMES)",
    .help = "time the stages of models, and say how far from this machine's limits they are",
    .takes = kTakes,
    .execute = bench,
    .own = options::benchmark_table,
};

}  // namespace instructblip::cli
