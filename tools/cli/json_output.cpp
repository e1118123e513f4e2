#include "cli/json_output.h"

#include <sys/resource.h>

#include <fstream>
#include <nlohmann/json.hpp>

namespace instructblip::cli {
namespace {

using Object = nlohmann::ordered_json;

std::string dump(const Object& object) {
  return object.dump(-1, ' ', false, Object::error_handler_t::replace);
}

template <typename T>
Object or_null(const std::optional<T>& value) {
  return value ? Object(*value) : Object(nullptr);
}

Object early_stopping(EarlyStopping value) {
  if (value == EarlyStopping::never) return "never";
  return value == EarlyStopping::yes;
}

Object options_of(const GenerationConfig& options, const Settings& settings,
                  const ModelInfo& info) {
  return {{"max_new_tokens", or_null(options.max_new_tokens)},
          {"min_new_tokens", or_null(options.min_new_tokens)},
          {"num_beams", or_null(options.num_beams)},
          {"length_penalty", or_null(options.length_penalty)},
          {"early_stopping", early_stopping(options.early_stopping.value_or(EarlyStopping::no))},
          {"repetition_penalty", or_null(options.repetition_penalty)},
          {"no_repeat_ngram_size", or_null(options.no_repeat_ngram_size)},
          {"bad_words_ids", or_null(options.bad_words_ids)},
          {"suppress_tokens", or_null(options.suppress_tokens)},
          {"begin_suppress_tokens", or_null(options.begin_suppress_tokens)},
          {"forced_bos_token_id", or_null(options.forced_bos_token_id)},
          {"forced_eos_token_id", or_null(options.forced_eos_token_id)},
          {"remove_invalid_values", or_null(options.remove_invalid_values)},
          {"renormalize_logits", or_null(options.renormalize_logits)},
          {"max_time", or_null(options.max_time)},
          {"num_return_sequences", or_null(options.num_return_sequences)},
          {"do_sample", or_null(options.do_sample)},
          {"temperature", or_null(options.temperature)},
          {"top_k", or_null(options.top_k)},
          {"top_p", or_null(options.top_p)},
          {"min_p", or_null(options.min_p)},
          {"typical_p", or_null(options.typical_p)},
          {"seed", or_null(options.seed)},
          {"stop", options.stop},
          {"stop_at_tokenizer_eos", options.stop_at_tokenizer_eos},
          {"logprobs", options.logprobs},
          {"resize", options::name_of(info.resize)},
          {"exif", options::name_of(settings.decode.exif)},
          {"background", options::name_of(settings.decode.background)},
          {"interpolate_pos_encoding", settings.load.interpolate_pos_encoding},
          {"compat", to_string(info.compat)},
          {"dtype", info.precision},
          {"policy", info.policy},
          {"numerics", to_string(info.numerics)},
          {"rounds_rows", info.rounds_rows},
          {"device", info.device},
          {"threads", info.threads}};
}

Object sequence_of(const Sequence& sequence, bool with_logprobs) {
  Object object = {{"text", sequence.text},
                   {"tokens", sequence.tokens},
                   {"finish_reason", to_string(sequence.finish_reason)},
                   {"score", sequence.score}};
  if (with_logprobs) object["logprobs"] = sequence.logprobs;
  return object;
}

// The fields that every object begins with.
Object object_about(const Subject& subject) {
  const char* const kind = subject.are_features ? "features" : subject.is_video ? "video" : "image";
  Object object = {{kind, subject.pictures.front()}};
  if (subject.pictures.size() > 1) object["images"] = subject.pictures;
  if (!subject.frames.empty()) object["frames"] = subject.frames;
  if (subject.instruction) object["instruction"] = *subject.instruction;
  return object;
}

}  // namespace

std::string to_json(const Generation& generation, const Subject& subject, const Settings& settings,
                    const ModelInfo& info) {
  const bool with_logprobs = generation.options.logprobs;
  Object object = object_about(subject);
  object.update(sequence_of(generation.sequences.front(), with_logprobs));
  Object& sequences = object["sequences"] = Object::array();
  for (const Sequence& sequence : generation.sequences) {
    sequences.push_back(sequence_of(sequence, with_logprobs));
  }
  object["prompt_tokens"] = generation.prompt_tokens;
  object["qformer_tokens"] = generation.qformer_tokens;
  if (info.compat == Compat::lavis) {
    object["prompt_tokens_cut"] = generation.prompt_tokens_cut;
    object["qformer_tokens_cut"] = generation.qformer_tokens_cut;
  }
  object["options"] = options_of(generation.options, settings, info);
  const Timings& timings = generation.timings;
  object["timings_ms"] = {{"load", timings.load},       {"image", timings.image},
                          {"vision", timings.vision},   {"qformer", timings.qformer},
                          {"prefill", timings.prefill}, {"decode", timings.decode},
                          {"total", timings.total}};
  object["tokens_per_second"] = tokens_per_second(generation);
  object["peak_rss_bytes"] = peak_rss_bytes();
  return dump(object);
}

namespace {

Object modules_of(const ModelInfo& info) {
  Object modules = Object::array();
  for (const ModuleInfo& module : info.modules) {
    modules.push_back({{"name", module.name},
                       {"parameters", module.parameters},
                       {"bytes", module.bytes},
                       {"precision", module.precision}});
  }
  return modules;
}

}  // namespace

std::string to_json(const ModelInfo& info, bool with_tensors) {
  Object object = {{"family", info.family},
                   {"language_model", info.language_model},
                   {"pictures_are_frames", info.pictures_are_frames},
                   {"needs_instruction", info.needs_instruction},
                   {"device", info.device},
                   {"device_reason", info.device_reason},
                   {"precision", info.precision},
                   {"policy", info.policy},
                   {"quantised", info.quantised},
                   {"modules", modules_of(info)},
                   {"numerics", to_string(info.numerics)},
                   {"rounds_rows", info.rounds_rows},
                   {"compat", to_string(info.compat)},
                   {"threads", info.threads},
                   {"parameters", info.parameters},
                   {"weight_bytes", info.weight_bytes},
                   {"image_height", info.image_height},
                   {"image_width", info.image_width},
                   {"resize", options::name_of(info.resize)},
                   {"image_positions", info.image_positions},
                   {"vision_layers", info.vision_layers},
                   {"vision_width", info.vision_width},
                   {"query_tokens", info.query_tokens},
                   {"qformer_layers", info.qformer_layers},
                   {"qformer_width", info.qformer_width},
                   {"language_layers", info.language_layers},
                   {"language_width", info.language_width},
                   {"vocabulary", info.vocabulary},
                   {"max_instruction_tokens", info.max_instruction_tokens},
                   {"shared_width", info.shared_width},
                   {"stop_tokens", info.stop_tokens},
                   {"load_ms", info.load_ms}};
  if (with_tensors) {
    Object& tensors = object["tensors"] = Object::array();
    for (const TensorInfo& tensor : info.tensors) {
      tensors.push_back({{"name", tensor.name},
                         {"dtype", tensor.dtype},
                         {"shape", tensor.shape},
                         {"file", tensor.file}});
    }
  }
  return dump(object);
}

std::string to_json(const TokenizedText& tokens) {
  return dump({{"lm", tokens.language}, {"qformer", tokens.qformer}});
}

namespace {

Object to_objects(const std::vector<OperationReport>& reports) {
  Object operations = Object::array();
  for (const OperationReport& operation : reports) {
    Object kernels = Object::array();
    for (const KernelReport& kernel : operation.kernels) {
      kernels.push_back({{"name", kernel.name},
                         {"used", kernel.used},
                         {"used_for", kernel.used_for},
                         {"row_invariant", kernel.row_invariant},
                         {"fits", kernel.unfit.empty()},
                         {"reason", kernel.unfit}});
    }
    operations.push_back({{"name", operation.name},
                          {"purpose", operation.purpose},
                          {"forced", operation.forced},
                          {"kernels", kernels}});
  }
  return operations;
}

}  // namespace

std::string to_json(const SystemReport& report) {
  Object modules = Object::array();
  for (const ModuleReport& module : report.modules) {
    modules.push_back(
        {{"file", module.file}, {"purpose", module.purpose}, {"found", module.found}});
  }
  Object devices = Object::array();
  for (const DeviceReport& device : report.devices) {
    devices.push_back({{"name", device.name},
                       {"model", device.model},
                       {"memory_bytes", device.memory_bytes},
                       {"usable", device.unfit.empty()},
                       {"reason", device.unfit}});
  }
  return dump({{"version", report.version},
               {"processor", report.processor},
               {"instruction_sets", report.instruction_sets},
               {"threads", report.threads},
               {"modules", modules},
               {"devices", devices},
               {"no_cuda", report.no_cuda},
               {"operations", to_objects(report.operations)},
               {"cuda_operations", to_objects(report.cuda_operations)}});
}

std::string to_json(const Ranking& ranking, const ModelInfo& info) {
  Object candidates = Object::array();
  for (const RankedCandidate& candidate : ranking.ranked) {
    candidates.push_back({{"text", ranking.candidates[candidate.index]},
                          {"index", candidate.index},
                          {"score", candidate.score},
                          {"probability", candidate.probability},
                          {"tokens", candidate.tokens},
                          {"logprobs", candidate.logprobs}});
    if (ranking.with_spellings) candidates.back()["spelling"] = candidate.spelling;
    if (ranking.with_priors) candidates.back()["prior"] = candidate.prior;
  }
  Object object = object_about(ranking.subject);
  object["candidates"] = std::move(candidates);
  object["compat"] = to_string(info.compat);
  return dump(object);
}

std::string to_json(const Scores& scores, const std::vector<std::string>& answers,
                    const Subject& subject, const Pipeline& pipeline) {
  Object list = Object::array();
  for (std::size_t i = 0; i < answers.size(); ++i) {
    const ScoredAnswer& one = scores.answers[i];
    list.push_back({{"text", answers[i]},
                    {"log_probability", one.sum},
                    {"mean", one.mean},
                    {"perplexity", one.perplexity},
                    {"tokens", one.tokens},
                    {"pieces", one.pieces},
                    {"logprobs", one.logprobs}});
  }
  const Usage usage = pipeline.usage();
  Object object = object_about(subject);
  object["answers"] = std::move(list);
  object["prompt_tokens"] = scores.prompt_tokens;
  object["qformer_tokens"] = scores.qformer_tokens;
  object["compat"] = to_string(pipeline.info().compat);
  object["usage"] = {{"vision_views", usage.vision_views},
                     {"qformer_pictures", usage.qformer_pictures},
                     {"prompts", usage.prompts},
                     {"prompt_rows", usage.prompt_rows},
                     {"step_rows", usage.step_rows}};
  return dump(object);
}

std::string to_json(const MatrixCell& cell) {
  Object object = object_about(cell.subject);
  object["text"] = cell.text;
  object["answer"] = cell.answer;
  object["log_probability"] = cell.log_probability;
  object["probability"] = cell.probability;
  return dump(object);
}

std::string fingerprint(const Settings& settings, const ModelInfo& info) {
  Object object = options_of(settings.generation, settings, info);
  for (const char* place : {"threads", "device", "logprobs"}) object.erase(place);
  object["model"] = settings.model;
  const LoadOptions& load = settings.load;
  object["language_model"] = load.language_model ? load.language_model->string() : "";
  for (const auto& file : load.overlays) object["overlays"].push_back(file.string());
  for (const auto& file : load.adapters) object["adapters"].push_back(file.string());
  if (load.geometry) object["geometry"] = static_cast<int>(*load.geometry);
  return dump(object);
}

std::string to_json(const Failure& failure, const std::string& message, const Subject& subject) {
  Object object = object_about(subject);
  object["error"] = message;
  object["exit_code"] = static_cast<int>(failure.code());
  return dump(object);
}

std::string to_json(const Comparison& pair) {
  return dump({{"image", pair.image},
               {"text", pair.text},
               {"match", pair.match.probability},
               {"logits", pair.match.logits},
               {"similarity", pair.similarity}});
}

double tokens_per_second(const Generation& generation) {
  const double seconds = generation.timings.decode / 1000;
  return seconds > 0 ? static_cast<double>(generation.tokens().size()) / seconds : 0;
}

std::int64_t peak_rss_bytes() {
  // Not getrusage: its figure survives exec, and a large parent's would be taken for ours.
  std::ifstream status("/proc/self/status");
  for (std::string key; status >> key; status.ignore(4096, '\n')) {
    std::int64_t kibibytes = 0;
    if (key == "VmHWM:" && status >> kibibytes) return kibibytes * 1024;
  }
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return std::int64_t{usage.ru_maxrss} * 1024;
}

}  // namespace instructblip::cli
