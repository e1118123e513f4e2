#include "questions.h"

#include <algorithm>
#include <iterator>

namespace world {
namespace {

std::string_view at(const auto& names, int index) { return names[static_cast<std::size_t>(index)]; }

std::string with_article(const std::string& phrase) {
  return (std::string_view("aeiou").find(phrase.front()) == std::string_view::npos ? "a " : "an ") +
         phrase;
}

/// "small red circle", with the attributes that `told` names, "object" for an untold shape.
std::string describe(const Object& object, unsigned told) {
  std::string phrase;
  if (told & kSize) phrase += std::string(at(kSizes, object.size)) + ' ';
  if (told & kColour) phrase += std::string(at(kColours, object.colour)) + ' ';
  return phrase + std::string(told & kShape ? at(kShapes, object.shape) : "object");
}

bool alike(const Object& a, const Object& b, unsigned told) {
  return (!(told & kSize) || a.size == b.size) && (!(told & kColour) || a.colour == b.colour) &&
         (!(told & kShape) || a.shape == b.shape);
}

/// A phrase that singles one object out.
struct Reference {
  std::string phrase;
  int object;
  unsigned told;
};

std::vector<Reference> references(const Scene& scene) {
  std::vector<Reference> found;
  for (std::size_t i = 0; i < scene.objects.size(); ++i) {
    const Object& object = scene.objects[i];
    for (const unsigned told : {kShape + 0U, kColour | kShape, kColour + 0U, kSize | kShape,
                                kSize + 0U, kSize | kColour}) {
      const auto same = std::ranges::count_if(
          scene.objects, [&](const Object& other) { return alike(object, other, told); });
      if (same == 1) found.push_back({describe(object, told), static_cast<int>(i), told});
    }
    found.push_back({"object at the " + std::string(at(kPlaces, object.cell)), static_cast<int>(i),
                     kPlace + 0U});
  }
  return found;
}

class Asker {
 public:
  explicit Asker(const Scene& scene) : scene_(scene), references_(references(scene)) {}

  std::vector<Question> all() {
    ask_attributes();
    ask_counts();
    ask_relations();
    ask_presence();
    ask_sign();
    return std::move(questions_);
  }

 private:
  void add(Type type, std::string form, std::initializer_list<std::string> wordings,
           std::string_view answer, const Reference* reference = nullptr) {
    for (const std::string& text : wordings) {
      questions_.push_back({type, form, text, std::string(answer),
                            reference ? reference->object : -1, reference ? reference->told : 0});
    }
  }

  void ask_attributes() {
    for (const Reference& reference : references_) {
      const Object& object = scene_.objects[static_cast<std::size_t>(reference.object)];
      const std::string& phrase = reference.phrase;
      const std::string by = reference.told & kPlace ? " by place" : " by look";
      if (!(reference.told & kColour)) {
        add(Type::colour, "colour" + by,
            {"What color is the " + phrase + "?", "What colour is the " + phrase + "?",
             "Which color does the " + phrase + " have?"},
            at(kColours, object.colour), &reference);
      }
      if (!(reference.told & kShape)) {
        add(Type::shape, "shape" + by,
            {"What shape is the " + phrase + "?", "Which shape does the " + phrase + " have?"},
            at(kShapes, object.shape), &reference);
      }
      if (!(reference.told & kSize)) {
        add(Type::size, "size" + by,
            {"What size is the " + phrase + "?", "Is the " + phrase + " small or large?"},
            at(kSizes, object.size), &reference);
      }
      if (!(reference.told & kPlace)) {
        add(Type::where, "where",
            {"Where is the " + phrase + "?", "In which part of the image is the " + phrase + "?"},
            at(kPlaces, object.cell), &reference);
      }
    }
  }

  void count(const std::string& form, const std::string& plural, auto matches) {
    const auto number = std::ranges::count_if(scene_.objects, matches);
    add(Type::count, form,
        {"How many " + plural + " are there?", "How many " + plural + " can you see?"},
        std::to_string(number));
  }

  void ask_counts() {
    count("all", "objects", [](const Object&) { return true; });
    for (int i = 0; i < static_cast<int>(kColours.size()); ++i) {
      count("of a colour", std::string(at(kColours, i)) + " objects",
            [i](const Object& object) { return object.colour == i; });
    }
    for (int i = 0; i < static_cast<int>(kShapes.size()); ++i) {
      const std::string shape(at(kShapes, i));
      count("of a shape", shape + (shape == "cross" ? "es" : "s"),
            [i](const Object& object) { return object.shape == i; });
    }
    for (int i = 0; i < static_cast<int>(kSizes.size()); ++i) {
      count("of a size", std::string(at(kSizes, i)) + " objects",
            [i](const Object& object) { return object.size == i; });
    }
  }

  void ask_relations() {
    for (const Reference& a : references_) {
      for (const Reference& b : references_) {
        const bool by_look = !((a.told | b.told) & (kPlace | kSize));
        if (a.object != b.object && by_look) ask_relation(a, b);
      }
    }
  }

  void ask_relation(const Reference& a, const Reference& b) {
    const int cell_a = scene_.objects[static_cast<std::size_t>(a.object)].cell;
    const int cell_b = scene_.objects[static_cast<std::size_t>(b.object)].cell;
    const int right = cell_a % kCellsAcross - cell_b % kCellsAcross;
    const int below = cell_a / kCellsAcross - cell_b / kCellsAcross;
    const auto is = [&](const std::string& words, bool true_of_it) {
      add(Type::relation, "yes or no",
          {"Is the " + a.phrase + ' ' + words + " the " + b.phrase + "?"},
          true_of_it ? "yes" : "no");
    };
    is("left of", right < 0);
    is("right of", right > 0);
    is("above", below < 0);
    is("below", below > 0);
    std::string direction = below < 0 ? "above" : below > 0 ? "below" : "";
    if (right != 0)
      direction += std::string(direction.empty() ? "" : " ") + (right < 0 ? "left" : "right");
    add(Type::relation, "direction",
        {"Where is the " + a.phrase + " relative to the " + b.phrase + "?"}, direction);
  }

  void presence(const std::string& phrase, bool present) {
    add(Type::yes_no, "presence",
        {"Is there " + with_article(phrase) + "?",
         "Is there " + with_article(phrase) + " in the image?"},
        present ? "yes" : "no");
  }

  void ask_presence() {
    for (int colour = 0; colour < static_cast<int>(kColours.size()); ++colour) {
      for (int shape = 0; shape < static_cast<int>(kShapes.size()); ++shape) {
        bool present = false, near = false;
        for (const Object& object : scene_.objects) {
          present |= object.colour == colour && object.shape == shape;
          near |= object.colour == colour || object.shape == shape;
        }
        if (near) presence(describe({.shape = shape, .colour = colour}, kColour | kShape), present);
      }
    }
    for (int i = 0; i < static_cast<int>(kColours.size()); ++i) {
      presence(std::string(at(kColours, i)) + " object",
               std::ranges::count(scene_.objects, i, &Object::colour) > 0);
    }
    for (int i = 0; i < static_cast<int>(kShapes.size()); ++i) {
      presence(std::string(at(kShapes, i)),
               std::ranges::count(scene_.objects, i, &Object::shape) > 0);
    }
    for (const Reference& reference : references_) {
      const Object& object = scene_.objects[static_cast<std::size_t>(reference.object)];
      const auto is = [&](const std::string& form, std::string_view value, bool true_of_it) {
        add(Type::yes_no, form, {"Is the " + reference.phrase + ' ' + std::string(value) + "?"},
            true_of_it ? "yes" : "no", &reference);
      };
      for (int i = 0; !(reference.told & kColour) && i < static_cast<int>(kColours.size()); ++i) {
        is("of a colour", at(kColours, i), object.colour == i);
      }
      for (int i = 0; !(reference.told & (kSize | kPlace)) && i < static_cast<int>(kSizes.size());
           ++i) {
        is("of a size", at(kSizes, i), object.size == i);
      }
    }
  }

  void ask_sign() {
    add(Type::yes_no, "sign", {"Is there a sign?", "Is there a sign in the image?"},
        scene_.sign ? "yes" : "no");
    if (!scene_.sign) return;
    const std::string kind = scene_.sign->is_number() ? "number" : "word";
    add(Type::reading, kind,
        {"What " + kind + " is on the sign?", "What does the sign say?",
         "Which " + kind + " is written?"},
        scene_.sign->text);
    add(Type::where, "where is the sign",
        {"Where is the sign?", "In which part of the image is the sign?"},
        at(kPlaces, scene_.sign->cell));
  }

  const Scene& scene_;
  std::vector<Reference> references_;
  std::vector<Question> questions_;
};

}  // namespace

std::vector<Question> all_questions(const Scene& scene) { return Asker(scene).all(); }

std::string ask_about_it(Type type) {
  switch (type) {
    case Type::colour:
      return "What color is it?";
    case Type::shape:
      return "What shape is it?";
    case Type::size:
      return "What size is it?";
    case Type::where:
      return "Where is it?";
    default:
      return {};
  }
}

std::string answer_about(const Object& object, Type type) {
  switch (type) {
    case Type::colour:
      return std::string(at(kColours, object.colour));
    case Type::shape:
      return std::string(at(kShapes, object.shape));
    case Type::size:
      return std::string(at(kSizes, object.size));
    case Type::where:
      return std::string(at(kPlaces, object.cell));
    default:
      return {};
  }
}

unsigned attribute_of(Type type) {
  switch (type) {
    case Type::colour:
      return kColour;
    case Type::shape:
      return kShape;
    case Type::size:
      return kSize;
    case Type::where:
      return kPlace;
    default:
      return 0;
  }
}

std::string caption(const Scene& scene) {
  std::vector<std::string> parts;
  for (const Object& object : scene.objects) {
    parts.push_back(with_article(describe(object, kSize | kColour | kShape)));
  }
  if (scene.sign) parts.push_back("a sign");
  std::string text = parts.front();
  for (std::size_t i = 1; i < parts.size(); ++i) {
    text += (i + 1 == parts.size() ? " and " : ", ") + parts[i];
  }
  return text;
}

}  // namespace world
