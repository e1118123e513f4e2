// The options of `bench`, most of which take lists.
#include "cli/bench_options.h"

#include <array>

namespace instructblip::cli {
namespace {

using A = const Argument&;
using S = Settings&;

std::vector<int> integers(const Argument& argument) {
  std::vector<int> values;
  for (const Argument& part : argument.parts()) values.push_back(part.integer());
  return values;
}

template <typename T>
std::vector<T> some_of(const Argument& argument,
                       const std::vector<std::pair<std::string_view, T>>& choices) {
  std::vector<T> values;
  for (const Argument& part : argument.parts()) values.push_back(part.one_of(choices));
  return values;
}

std::vector<BenchmarkStage> stages(const Argument& argument) {
  std::vector<std::pair<std::string_view, BenchmarkStage>> choices;
  for (const auto stage : {BenchmarkStage::vision, BenchmarkStage::qformer, BenchmarkStage::prefill,
                           BenchmarkStage::decode, BenchmarkStage::end_to_end}) {
    choices.emplace_back(to_string(stage), stage);
  }
  return some_of(argument, choices);
}

std::vector<std::string> names(const Argument& argument) {
  std::vector<std::string> values;
  for (const Argument& part : argument.parts()) values.push_back(part.text());
  return values;
}

constexpr auto kRows = std::to_array<OptionRow>({
    {"model", "DIR",
     "a Hugging Face directory: config.json, *.safetensors; tokenizers are not needed; repeated: "
     "one after the other",
     Takes::value, true, "", [](S s, A a) { s.bench.models.emplace_back(a.path()); }},
    {"synthetic", "NAMES",
     "published models of full size with random weights made in memory, such as "
     "instructblip-vicuna-7b; a wrong name lists all",
     Takes::value, false, "", [](S s, A a) { s.bench.synthetic = names(a); }},
    {"layers", "LIST",
     "cut each stack of --synthetic to so many layers, and say so in every row; default 0, all",
     Takes::value, false, "", [](S s, A a) { s.bench.layers = integers(a); }},
    {"stages", "LIST",
     "some of vision, qformer (with the projection), prefill, decode, end_to_end; default all",
     Takes::value, false, "", [](S s, A a) { s.bench.stages = stages(a); }},
    {"dtype", "LIST", "how weights are held in memory: auto, f32, f16, bf16; default auto",
     Takes::value, false, "",
     [](S s, A a) {
       s.bench.precisions = some_of<Precision>(a, {{"auto", Precision::automatic},
                                                   {"f32", Precision::f32},
                                                   {"f16", Precision::f16},
                                                   {"bf16", Precision::bf16}});
     }},
    {"threads", "LIST",
     "number of compute threads; default 0, the physical cores allowed to the process",
     Takes::value, false, "", [](S s, A a) { s.bench.threads = integers(a); }},
    {"pictures", "LIST", "that vision and qformer take together; default 1", Takes::value, false,
     "", [](S s, A a) { s.bench.pictures = integers(a); }},
    {"prompt", "LIST",
     "rows of the prompt, those of the picture included; default 0, the picture's and 32 of text",
     Takes::value, false, "", [](S s, A a) { s.bench.prompts = integers(a); }},
    {"rows", "LIST", "hypotheses of decode and end_to_end, as --num-beams of run; default 1",
     Takes::value, false, "", [](S s, A a) { s.bench.rows = integers(a); }},
    {"new-tokens", "N", "steps of a sample of decode, and length of an answer; default 16",
     Takes::value, false, "", [](S s, A a) { s.bench.new_tokens = a.integer(); }},
    {"warm-up", "N", "samples of each row that do not count; default 1", Takes::value, false, "",
     [](S s, A a) { s.bench.warm_up = a.integer(); }},
    {"repetitions", "N", "samples of each row, at least; default 5", Takes::value, false, "",
     [](S s, A a) { s.bench.repetitions = a.integer(); }},
    {"seconds", "X", "time that each row is sampled for, at least; default 0", Takes::value, false,
     "", [](S s, A a) { s.bench.seconds = a.number(); }},
    {"read-size", "SIZE",
     "memory that is read to find the machine's limit, far more than its caches; default 512 MiB",
     Takes::value, false, "", [](S s, A a) { s.bench.read_bytes = a.bytes(); }},
    {"compare", "FILE",
     "what `bench --json` printed before: show how many times as fast each row is now",
     Takes::value, false, "", [](S s, A a) { s.compare = a.path(); }},
});

}  // namespace

std::span<const OptionRow> bench_option_rows() { return kRows; }

}  // namespace instructblip::cli
