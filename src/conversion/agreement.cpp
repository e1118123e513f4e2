#include "conversion/agreement.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <iterator>
#include <string>
#include <utility>

#include "core/boundary.h"

namespace instructblip {
namespace {

constexpr int kSide = 224;

std::uint8_t clamped(double value) {
  return static_cast<std::uint8_t>(std::clamp(value, 0.0, 255.0));
}

// A disc before a slope of colours, of other colours, size and place for each number.
Image made_up(int number) {
  std::vector<std::uint8_t> rgb;
  rgb.reserve(std::size_t{3} * kSide * kSide);
  const double turn = 2.4 * number;  // near the golden angle: no two are alike
  const double x0 = kSide * (0.5 + 0.25 * std::cos(turn));
  const double y0 = kSide * (0.5 + 0.25 * std::sin(turn));
  const double radius = kSide * (0.12 + 0.03 * (number % 5));
  for (int y = 0; y < kSide; ++y) {
    for (int x = 0; x < kSide; ++x) {
      const bool inside = std::hypot(x - x0, y - y0) < radius;
      for (int channel = 0; channel < 3; ++channel) {
        const double phase = turn + 2.1 * channel;
        const double slope = 128 + 80 * std::sin(phase + 0.012 * x) * std::cos(phase - 0.017 * y);
        rgb.push_back(clamped(inside ? 128 + 120 * std::cos(phase) : slope));
      }
    }
  }
  return Image::adopt(std::move(rgb), kSide, kSide);
}

constexpr const char* kInstructions[] = {
    "Describe the picture.", "What is in the picture?",
    "Question: what colour is the round thing? Answer:", "A short image caption:"};

Request made_up_request(int number, const ModelInfo& model) {
  Request request;
  const int frames = model.pictures_are_frames ? 4 : 1;
  std::vector<Image> images;
  for (int i = 0; i < frames; ++i) images.push_back(made_up(frames * number + i));
  request.pictures = std::move(images);
  request.instruction = kInstructions[static_cast<std::size_t>(number) % std::size(kInstructions)];
  request.options.max_new_tokens = 16;
  request.options.min_new_tokens = 0;
  request.options.num_beams = 1;
  request.options.do_sample = false;
  return request;
}

double log_sum_exp(const std::vector<float>& logits) {
  const double most = *std::ranges::max_element(logits);
  double sum = 0;
  for (const float logit : logits) sum += std::exp(static_cast<double>(logit) - most);
  return most + std::log(sum);
}

int first_difference(const std::vector<std::int32_t>& a, const std::vector<std::int32_t>& b) {
  const auto [at, other] = std::ranges::mismatch(a, b);
  return at == a.end() && other == b.end() ? -1 : static_cast<int>(at - a.begin());
}

}  // namespace

double divergence(const std::vector<float>& p, const std::vector<float>& q) {
  const double of_p = log_sum_exp(p), of_q = log_sum_exp(q);
  double sum = 0;
  for (std::size_t i = 0; i < p.size(); ++i) {
    const double log_p = static_cast<double>(p[i]) - of_p;
    const double log_q = static_cast<double>(q[i]) - of_q;
    if (const double probability = std::exp(log_p); probability > 0) {
      sum += probability * (log_p - log_q);
    }
  }
  return std::max(sum, 0.0);  // which rounding may leave below
}

void Agreement::ask(const Pipeline::Impl& model, Answered& it) {
  const Generation generation = model.generate(it.request, {});
  it.tokens = generation.tokens();
  it.text = generation.text();
  auto features = model.features(it.request.pictures, it.request.instruction);
  it.logits = std::move(std::ranges::find(features, "logits", &NamedTensor::name)->values);
}

void Agreement::ask_whole(const std::filesystem::path& checkpoint, const LoadOptions& options,
                          const Tell& tell) {
  tell("loading the whole model");
  const auto whole = load_pipeline(checkpoint, options);
  for (const Request& request : how_.requests) whole_.push_back({request, {}, {}, {}});
  for (int i = 0; how_.requests.empty() && i < how_.probes; ++i) {
    whole_.push_back({made_up_request(i, whole->info()), {}, {}, {}});
  }
  for (Answered& it : whole_) {
    tell("asking the whole model");
    ask(*whole, it);
  }
}

std::vector<Probe> Agreement::compared_with(const Pipeline::Impl& quantized, const Tell& tell) && {
  std::vector<Probe> probes;
  for (Answered& whole : whole_) {
    tell("asking what was written");
    Answered it{whole.request, {}, {}, {}};
    ask(quantized, it);
    probes.push_back({whole.request.instruction, std::move(whole.tokens), std::move(it.tokens),
                      std::move(whole.text), std::move(it.text), -1,
                      divergence(whole.logits, it.logits)});
    probes.back().first_difference =
        first_difference(probes.back().tokens, probes.back().quantized_tokens);
  }
  return probes;
}

}  // namespace instructblip
