/// Every question that a scene can be asked, with its answer.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "random.h"
#include "scene.h"

namespace world {

enum class Type {
  colour,
  shape,
  size,
  count,
  where,
  relation,
  yes_no,
  reading,
  caption,
  question,
  dialogue
};
inline constexpr std::array<std::string_view, 11> kTypes = {
    "colour", "shape",   "size",    "count",    "where",   "relation",
    "yes_no", "reading", "caption", "question", "dialogue"};

inline std::string_view name(Type type) { return kTypes[static_cast<std::size_t>(type)]; }

/// What of an object a phrase tells, as bits.
enum Attribute : unsigned { kColour = 1, kShape = 2, kSize = 4, kPlace = 8 };

struct Question {
  Type type;
  std::string form;  ///< kind of question within its type
  std::string text;
  std::string answer;
  int object = -1;    ///< that is asked about; -1: not one object
  unsigned told = 0;  ///< attributes of it that the question tells
};

/// The form that is held out of training.
inline constexpr std::string_view kHeldOutForm = "size by place";

/// All questions of the eight types that are answered with a word or two: colour to reading.
std::vector<Question> all_questions(const Scene& scene);

/// "What color is it?" and so on; empty for a type that is not an attribute.
std::string ask_about_it(Type type);
/// The answer to it for one object.
std::string answer_about(const Object& object, Type type);
/// The attribute that a type asks for; 0 for a type that is not an attribute.
unsigned attribute_of(Type type);

/// All objects in reading order and the sign: "a large red circle, a small blue ring and a sign".
std::string caption(const Scene& scene);

}  // namespace world
