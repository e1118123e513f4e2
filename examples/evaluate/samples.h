/// Instructions as a model reads them: a question of the world in a template of the paper.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <vector>

#include "questions.h"

namespace world {

enum class Split {
  trained,   ///< templates that training uses
  held_out,  ///< templates that it does not
};

/// Types of question about one object.
inline constexpr std::array kAboutOneObject = {Type::colour, Type::shape, Type::size, Type::where};

/// One instruction about one scene.
struct Sample {
  Type type;
  std::string form;
  std::string instruction;         ///< the whole text that the model reads
  std::vector<std::string> parts;  ///< what was filled into the template, in order
  std::string answer;              ///< expected; of type question, one of several that are right
  int object = -1;                 ///< that is asked about, where it is one and not "it"
};

/// Draws samples about one scene.
class Sampler {
 public:
  explicit Sampler(const Scene& scene) : scene_(scene), questions_(all_questions(scene)) {}

  /// A question of `type` in a template of `split`; empty where the scene has none (reading without
  /// a sign, a relation of one object). Never of the held-out form.
  std::optional<Sample> draw(Type type, Split split, Random& random) const;

  /// A question of the held-out form, in a trained template.
  std::optional<Sample> draw_held_out_form(Random& random) const;

  /// A type drawn as training draws them.
  static Type training_type(Random& random);

  /// One of kAboutOneObject, which is all that is asked about crowded scenes.
  static Type crowded_type(Random& random) { return random.pick(kAboutOneObject); }

  const std::vector<Question>& questions() const { return questions_; }

 private:
  std::optional<Question> draw_question(Type type, Random& random) const;
  std::optional<Sample> draw_dialogue(Split split, Random& random) const;

  const Scene& scene_;
  std::vector<Question> questions_;
};

}  // namespace world
