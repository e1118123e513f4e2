/// The measures of the InstructBLIP paper's data sets, by the definitions that the field uses.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "instructblip/error.h"
#include "instructblip/export.h"

namespace instructblip {

/// An answer as the VQA evaluation compares it: punctuation taken out or made a space, numbers up
/// to ten as digits, articles taken out, apostrophes put into contractions. Of letters beyond ASCII
/// the case stays. (vqaEval.py of VQA v2, as LAVIS has it.)
INSTRUCTBLIP_API std::string normalised_answer(std::string_view answer);

/// VQA accuracy of an answer, 0 to 1: for each person's answer left out, a third for each of the
/// others that gave it, at most 1; the mean of these. (Antol et al., 2015.)
/// Errors: invalid_argument (nobody's answer).
INSTRUCTBLIP_API double vqa_accuracy(std::string_view answer,
                                     std::span<const std::string> of_people);

/// 1 where the normalised answer is one of `right` as it is written there, else 0 (LAVIS for GQA).
INSTRUCTBLIP_API double exact_match(std::string_view answer, std::span<const std::string> right);

/// 1 over the rank, from 1, at which `right` stands in `ranking`; 0 where it does not. The mean of
/// it over questions is the mean reciprocal rank of visual dialogue.
INSTRUCTBLIP_API double reciprocal_rank(std::span<const std::size_t> ranking, std::size_t right);

/// Area under the ROC curve: how often a positive example has a larger score than a negative one,
/// equal scores counting half. `positive` has as many elements as `scores`.
/// Errors: invalid_argument (other sizes; not both kinds; scores that are not finite).
INSTRUCTBLIP_API double roc_auc(std::span<const double> scores, const std::vector<bool>& positive);

/// A caption as captions are compared: words of the Penn Treebank in small letters (ASCII) without
/// punctuation, a space between any two. It follows the Stanford tokenizer that the COCO evaluation
/// runs for what captions hold: contractions, possessives, hyphens, numbers, brackets, quotes and
/// the commonest abbreviations; not for everything.
INSTRUCTBLIP_API std::string caption_words(std::string_view caption);

/// A picture's caption and what people wrote.
struct CaptionPair {
  std::string caption;
  std::vector<std::string> references;
};

/// CIDEr-D of each caption (Vedantam et al., 2015, as the COCO evaluation computes it): ten times
/// the mean similarity of n-grams of one to four words, weighted by how few pictures' references
/// have them. The data set's number is the mean, often given times 100. Texts go through
/// caption_words(). Errors: invalid_argument (a picture without references).
INSTRUCTBLIP_API std::vector<double> cider(std::span<const CaptionPair> pairs);

}  // namespace instructblip
