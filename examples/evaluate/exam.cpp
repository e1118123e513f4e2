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

}  // namespace

Exam draw_exam(const Scene& scene, std::uint64_t seed, std::uint64_t index) {
  const Sampler sampler(scene);
  Random random(seed ^ 0xE7A3, index);  // not the numbers that made the scene
  Exam exam;
  for (std::size_t i = 0; i < kTypes.size(); ++i) {
    const auto type = static_cast<Type>(i);
    if (auto sample = sampler.draw(type, Split::trained, random)) exam.trained.push_back(*sample);
    if (auto sample = sampler.draw(type, Split::held_out, random)) exam.held_out.push_back(*sample);
  }
  if (auto sample = sampler.draw_held_out_form(random)) exam.new_form.push_back(*sample);
  return exam;
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

}  // namespace world
