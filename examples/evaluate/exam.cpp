#include "exam.h"

#include <algorithm>
#include <cctype>
#include <sstream>
#include <utility>

namespace world {
namespace {

std::string normalised(std::string_view text) {
  const auto blank = [](unsigned char c) { return std::isspace(c) != 0; };
  while (!text.empty() && blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && blank(text.back())) text.remove_suffix(1);
  std::string lower(text);
  std::ranges::transform(lower, lower.begin(), [](unsigned char c) { return std::tolower(c); });
  return lower;
}

/// "colour shape" pairs, in the order of the text.
std::vector<std::pair<std::string, std::string>> named_objects(const std::string& text) {
  std::string words = text;
  std::ranges::replace_if(
      words, [](unsigned char c) { return std::isalpha(c) == 0; }, ' ');
  std::istringstream stream(words);
  std::vector<std::pair<std::string, std::string>> named;
  for (std::string before, word; stream >> word; before = word) {
    if (std::ranges::count(kShapes, word) && std::ranges::count(kColours, before)) {
      named.emplace_back(before, word);
    }
  }
  return named;
}

bool names_every_object(const Scene& scene, const std::string& text) {
  std::vector<std::pair<std::string, std::string>> shown;
  for (const Object& object : scene.objects) {
    shown.emplace_back(kColours[static_cast<std::size_t>(object.colour)],
                       kShapes[static_cast<std::size_t>(object.shape)]);
  }
  auto named = named_objects(text);
  std::ranges::sort(shown);
  std::ranges::sort(named);
  return shown == named;
}

Exam one_of_each(const Scene& scene, std::span<const Type> types, Random random) {
  const Sampler sampler(scene);
  Exam exam;
  for (const Type type : types) {
    if (auto sample = sampler.draw(type, Split::trained, random)) exam.trained.push_back(*sample);
    if (auto sample = sampler.draw(type, Split::held_out, random)) exam.held_out.push_back(*sample);
  }
  if (auto sample = sampler.draw_held_out_form(random)) exam.new_form.push_back(*sample);
  return exam;
}

/// Numbers for an exam, other than those that made the scene.
Random exam_numbers(std::uint64_t seed, std::uint64_t index) { return {seed ^ 0xE7A3, index}; }

}  // namespace

Exam draw_exam(const Scene& scene, std::uint64_t seed, std::uint64_t index) {
  std::array<Type, kTypes.size()> types;
  for (std::size_t i = 0; i < types.size(); ++i) types[i] = static_cast<Type>(i);
  return one_of_each(scene, types, exam_numbers(seed, index));
}

Exam draw_crowded_exam(const Scene& scene, std::uint64_t seed, std::uint64_t index) {
  return one_of_each(scene, kAboutOneObject, exam_numbers(seed, index));
}

bool is_same_wording(std::string_view answer, std::string_view expected) {
  return normalised(answer) == normalised(expected);
}

bool is_right(const Scene& scene, const Sample& sample, std::string_view answer) {
  if (sample.type == Type::caption) return names_every_object(scene, normalised(answer));
  if (sample.type == Type::question) {
    return std::ranges::any_of(all_questions(scene), [&](const Question& question) {
      return question.answer == sample.parts.front() && is_same_wording(answer, question.text);
    });
  }
  return is_same_wording(answer, sample.answer);
}

double share_on_cell(std::span<const float> weights, int across, int cell) {
  double inside = 0, all = 0;
  for (std::size_t i = 0; i < weights.size(); ++i) {
    const int row = static_cast<int>(i) / across, column = static_cast<int>(i) % across;
    const int around = row * kCellsAcross / across * kCellsAcross + column * kCellsAcross / across;
    all += weights[i];
    if (around == cell) inside += weights[i];
  }
  return all == 0 ? 0 : inside / all;
}

}  // namespace world
