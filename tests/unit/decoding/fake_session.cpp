#include "unit/decoding/fake_session.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <utility>

#include "decoding/options.h"

namespace instructblip::testing {
namespace {

std::uint32_t mix(std::uint32_t h) {
  h = (h ^ (h >> 16)) * 0x7FEB352Du;
  h = (h ^ (h >> 15)) * 0x846CA68Bu;
  return h ^ (h >> 16);
}

std::vector<std::int32_t> ids(const Json& json) {
  const auto wide = json.integers();
  return {wide.begin(), wide.end()};
}

std::optional<int> integer(const Json& json, std::string_view key) {
  const auto value = json.find(key);
  return value ? std::optional<int>(static_cast<int>(value->integer())) : std::nullopt;
}

std::optional<double> real(const Json& json, std::string_view key) {
  const auto value = json.find(key);
  return value ? std::optional<double>(value->number()) : std::nullopt;
}

std::optional<std::vector<std::int32_t>> id_list(const Json& json, std::string_view key) {
  const auto value = json.find(key);
  return value ? std::optional(ids(*value)) : std::nullopt;
}

GenerationConfig read_options(const Json& json) {
  GenerationConfig options;
  options.max_new_tokens = integer(json, "max_new_tokens").value_or(8);
  options.min_new_tokens = integer(json, "min_new_tokens");
  options.num_beams = integer(json, "num_beams");
  options.num_return_sequences = integer(json, "num_return_sequences");
  options.no_repeat_ngram_size = integer(json, "no_repeat_ngram_size");
  options.top_k = integer(json, "top_k");
  options.length_penalty = real(json, "length_penalty");
  options.repetition_penalty = real(json, "repetition_penalty");
  options.temperature = real(json, "temperature");
  options.top_p = real(json, "top_p");
  options.typical_p = real(json, "typical_p");
  options.min_p = real(json, "min_p");
  options.suppress_tokens = id_list(json, "suppress_tokens");
  options.begin_suppress_tokens = id_list(json, "begin_suppress_tokens");
  options.forced_bos_token_id = integer(json, "forced_bos_token_id");
  if (const auto last = json.find("forced_eos_token_id")) {
    options.forced_eos_token_id =
        last->is_array() ? ids(*last) : std::vector{static_cast<std::int32_t>(last->integer())};
  }
  options.remove_invalid_values = json.boolean_or("remove_invalid_values", false);
  options.renormalize_logits = json.boolean_or("renormalize_logits", false);
  if (const auto runs = json.find("bad_words_ids")) {
    options.bad_words_ids.emplace();
    for (const Json& run : runs->elements()) options.bad_words_ids->push_back(ids(run));
  }
  options.do_sample = json.boolean_or("do_sample", false);
  if (const auto early = json.find("early_stopping")) {
    options.early_stopping = early->is_string() ? EarlyStopping::never
                             : early->boolean() ? EarlyStopping::yes
                                                : EarlyStopping::no;
  }
  options.logprobs = true;
  return filled(options);
}

GoldenCase read_case(const Json& json) {
  GoldenCase golden{{}, {}, json};
  golden.model.vocabulary = json.at("vocabulary").integer();
  golden.model.mode = static_cast<int>(json.at("mode").integer());
  golden.model.seed = static_cast<std::uint32_t>(json.at("seed").integer());
  golden.model.levels = static_cast<std::uint32_t>(json.at("levels").integer());
  golden.model.gap = static_cast<float>(json.at("gap").number());
  golden.model.stop_bonus = static_cast<float>(json.at("stop_bonus").number());
  golden.model.stop_ids = ids(json.at("stop_ids"));
  golden.request.stop_ids = golden.model.stop_ids;
  golden.request.prompt_ids = ids(json.at("prompt"));
  golden.request.options = read_options(json.at("options"));
  return golden;
}

}  // namespace

std::vector<float> FakeModel::logits(std::span<const std::int32_t> history) const {
  const std::vector<std::int32_t> length{static_cast<std::int32_t>(history.size())};
  const std::span<const std::int32_t> seen = mode == 0   ? history
                                             : mode == 1 ? history.last(1)
                                                         : std::span(length);
  std::uint32_t state = mix(seed);
  for (const std::int32_t token : seen) state = mix(state ^ static_cast<std::uint32_t>(token));
  std::vector<float> values(static_cast<std::size_t>(vocabulary));
  for (std::size_t i = 0; i < values.size(); ++i) {
    const std::uint32_t hash = mix(static_cast<std::uint32_t>(i) * 0x9E3779B9u + state) >> 8;
    values[i] = static_cast<float>(hash % levels) * gap;
  }
  for (const std::int32_t token : stop_ids) {
    if (token < vocabulary) values[static_cast<std::size_t>(token)] += stop_bonus;
  }
  return values;
}

FakeSession::FakeSession(FakeModel model, std::vector<std::int32_t> prompt)
    : model_(std::move(model)), rows_{std::move(prompt)} {}

std::span<const float> FakeSession::run(const Step& step) {
  const auto sources = step.sources, tokens = step.tokens;
  EXPECT_EQ(sources.size(), tokens.size());
  EXPECT_EQ(tokens.empty(), !prompt_read_) << "the prompt first, and once";
  if (!std::exchange(prompt_read_, true)) return hand_out();
  if (step.back_to) rows_ = kept_.at(*step.back_to);
  if (step.kept) kept_[step.length] = rows_;
  ++steps_;
  std::vector<std::vector<std::int32_t>> next;
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    next.push_back(rows_.at(static_cast<std::size_t>(sources[i])));
    EXPECT_GE(tokens[i], 0);
    EXPECT_LT(tokens[i], model_.vocabulary);
    next.back().push_back(tokens[i]);
  }
  rows_ = std::move(next);
  return hand_out();
}

std::span<const float> FakeSession::hand_out() {
  logits_.clear();
  for (const auto& row : rows_) {
    const auto values = model_.logits(row);
    logits_.insert(logits_.end(), values.begin(), values.end());
  }
  if (tamper) tamper(steps_, logits_);
  return logits_;
}

DecodeResult decode(FakeSession& session, Search& search, const MakeLogits& make_logits) {
  while (const auto step = search.next()) {
    const auto logits = make_logits(session.run(*step));
    search.accept(*logits);
  }
  return {search.result()};
}

DecodeResult decode(FakeSession& session, const DecodeRequest& request) {
  const auto width = static_cast<std::size_t>(session.vocabulary());
  return decode(session, *make_search(request, session.vocabulary()),
                [width](auto logits) { return std::make_unique<HostLogits>(logits, width); });
}

std::vector<GoldenCase> golden_cases(const std::string& name) {
  std::vector<std::filesystem::path> folders{std::filesystem::path(INSTRUCTBLIP_SOURCE_DIR) /
                                             "tests/golden/decoding"};
  if (const char* more = std::getenv("INSTRUCTBLIP_DECODING_GOLDENS")) folders.emplace_back(more);
  std::vector<GoldenCase> cases;
  for (const auto& folder : folders) {
    for (const Json& json : Json::read(folder / name).elements()) cases.push_back(read_case(json));
  }
  return cases;
}

GenerationConfig filled(GenerationConfig asked) {
  asked.seed = asked.seed.value_or(1);
  return resolve_options(asked, {}, 0);
}

}  // namespace instructblip::testing
