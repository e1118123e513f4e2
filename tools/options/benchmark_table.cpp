// The options of `bench`, most of which take lists.
#include <array>
#include <utility>
#include <vector>

#include "options/option.h"

namespace instructblip::options {
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
  for (const auto stage :
       {BenchmarkStage::vision, BenchmarkStage::qformer, BenchmarkStage::prefill,
        BenchmarkStage::decode, BenchmarkStage::first_token, BenchmarkStage::end_to_end}) {
    choices.emplace_back(to_string(stage), stage);
  }
  return some_of(argument, choices);
}

std::vector<std::string> names(const Argument& argument) {
  std::vector<std::string> values;
  for (const Argument& part : argument.parts()) values.push_back(part.text());
  return values;
}

// The word for what holds where the option is not given.
std::string unless_default(const Argument& argument) {
  return argument.text() == "default" ? std::string() : argument.text();
}

constexpr auto kTable = std::to_array<Option>({
    {"model", Group::model, Kind::path, "DIR", "",
     "a Hugging Face directory: config.json, *.safetensors; tokenizers are not needed; repeated: "
     "one after the other",
     [](S s, A a) { s.bench.models.emplace_back(a.path()); }, kRepeats},
    {"synthetic", Group::model, Kind::list, "NAMES", "",
     "published models of full size with random weights made in memory, such as "
     "instructblip-vicuna-7b; a wrong name lists all",
     [](S s, A a) { s.bench.synthetic = names(a); }},
    {"layers", Group::model, Kind::list, "LIST", "0",
     "cut each stack of --synthetic to so many layers, and say so in every row; 0: all",
     [](S s, A a) { s.bench.layers = integers(a); }},

    {"stages", Group::request, Kind::list, "LIST", "",
     "some of vision, qformer (with the projection), prefill, decode, first_token, end_to_end; "
     "default all",
     [](S s, A a) { s.bench.stages = stages(a); }},
    {"pictures", Group::request, Kind::list, "LIST", "1",
     "number of pictures that vision and qformer take together",
     [](S s, A a) { s.bench.pictures = integers(a); }},
    {"prompt", Group::request, Kind::list, "LIST", "0",
     "rows of the prompt, those of the picture included; 0: the picture's and 32 of text",
     [](S s, A a) { s.bench.prompts = integers(a); }},
    {"rows", Group::request, Kind::list, "LIST", "1",
     "hypotheses of decode and end_to_end, as --num-beams of run",
     [](S s, A a) { s.bench.rows = integers(a); }},
    {"requests", Group::request, Kind::list, "LIST", "1",
     "number of requests that end_to_end answers together, each about a picture of its own",
     [](S s, A a) { s.bench.requests = integers(a); }},
    {"new-tokens", Group::request, Kind::list, "LIST", "16",
     "steps of a sample of decode, and lengths of an answer",
     [](S s, A a) { s.bench.new_tokens = integers(a); }},

    {"weights",
     Group::running,
     Kind::list,
     "LIST",
     "auto",
     "how weights are held in memory: auto, f32, f16, bf16, q8, q4",
     [](S s, A a) {
       s.bench.precisions = some_of<Precision>(a, {{"auto", Precision::automatic},
                                                   {"f32", Precision::f32},
                                                   {"f16", Precision::f16},
                                                   {"bf16", Precision::bf16},
                                                   {"q8", Precision::q8},
                                                   {"q4", Precision::q4}});
     },
     {.also = "dtype"}},
    {"numerics", Group::running, Kind::list, "LIST", "auto",
     "some of auto, reference, deterministic, fast, as `run` has them; q8 and q4 are fast "
     "instead of reference",
     [](S s, A a) {
       s.bench.numerics = some_of<Numerics>(a, {{"auto", Numerics::automatic},
                                                {"reference", Numerics::reference},
                                                {"deterministic", Numerics::deterministic},
                                                {"fast", Numerics::fast}});
     }},
    {"policy", Group::running, Kind::list, "LIST", "",
     "parts of the model that are held otherwise than q8 or q4 have it, MODULE=BITS with commas "
     "between, as `run` has it, or default; repeated: one after the other",
     [](S s, A a) { s.bench.policies.push_back(unless_default(a)); }, kRepeats},
    {"kernels", Group::running, Kind::list, "LIST", "",
     "kernels to force, OPERATION=KERNEL with commas between, or default; repeated: one after the "
     "other",
     [](S s, A a) { s.bench.kernels.push_back(unless_default(a)); }, kRepeats},
    {"threads", Group::running, Kind::list, "LIST", "0",
     "number of compute threads; 0: the physical cores allowed to the process",
     [](S s, A a) { s.bench.threads = integers(a); }},
    {"warm-up", Group::running, Kind::integer, "N", "1",
     "samples of each row that do not count; on a CUDA device two at least",
     [](S s, A a) { s.bench.warm_up = a.integer(); }},
    {"repetitions", Group::running, Kind::integer, "N", "5", "samples of each row, at least",
     [](S s, A a) { s.bench.repetitions = a.integer(); }},
    {"seconds", Group::running, Kind::number, "X", "0",
     "time that each row is sampled for, at least", [](S s, A a) { s.bench.seconds = a.number(); }},
    {"read-size",
     Group::running,
     Kind::size,
     "SIZE",
     "512MiB",
     "memory that is read, or copied on a device, to find its limit: far more than caches hold",
     [](S s, A a) { s.bench.read_bytes = a.bytes(); },
     {.field = "read_bytes"}},

    {"compare", Group::output, Kind::path, "FILE", "",
     "what `bench --json` printed before: show how many times as fast each row is now",
     [](S s, A a) { s.compare = a.path(); }},
});

}  // namespace

std::span<const Option> benchmark_table() { return kTable; }

}  // namespace instructblip::options
