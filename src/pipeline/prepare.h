// From a caller's request to a job: checked, with every default filled in and its pictures resized.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "config/tiling.h"
#include "instructblip/pipeline.h"
#include "pipeline/encoded_pictures.h"
#include "pipeline/job.h"
#include "pipeline/model_parts.h"

namespace instructblip {

// The job of a request, which is generated for, or whose candidates are scored where there are any.
// All that can be refused before a picture is resized is. Errors: as Pipeline::generate().
std::shared_ptr<Job> prepare(const ModelParts& model, const Request& request, Caller caller,
                             std::vector<CandidateTokens> candidates = {});

// The same, but the language model is given the instruction alone.
std::shared_ptr<Job> prepare_without_pictures(const ModelParts& model, const Request& request,
                                              Caller caller,
                                              std::vector<CandidateTokens> candidates);

// The two halves of prepare(): the prompt of a request, checked with the candidates behind it, and
// the job of a prompt, which takes the pictures and the options of the request.
Prompt prompt_of(const ModelParts& model, const Request& request,
                 const std::vector<CandidateTokens>& candidates);
std::shared_ptr<Job> make_job(const ModelParts& model, Prompt prompt, const Request& request,
                              Caller caller, std::vector<CandidateTokens> candidates = {});

// prepare() in two steps: the job without what is resized, and then that, when it is its turn.
std::shared_ptr<Job> prepare_text(const ModelParts& model, const Request& request, Caller caller,
                                  std::vector<CandidateTokens> candidates = {});
void add_pictures(const ModelParts& model, const Request& request, Job& job);

// Only the checks of prepare(), for a request that is answered in parts. Errors: as above.
void check(const ModelParts& model, const Request& request,
           const std::vector<CandidateTokens>& candidates);

// The bytes of pictures that the vision encoder is shown, each [T, H, W, 3], T views of it: resized
// by the model's processor, when it is their turn. Never from work that runs there.
std::vector<at::Tensor> views_of(const ModelParts& model, std::span<const Image> images);

// Sizes of the pictures of a request, resized or encoded.
std::vector<PictureSize> sizes_of(const ModelParts& model, const Pictures& pictures);

// Bytes of the views that a job of this request holds.
std::int64_t view_bytes(const ModelParts& model, const Pictures& pictures);

// What encodes the pictures, which are checked and resized here already. `model` must outlive it.
// Errors: as Pipeline::encode(), here and in the call.
std::function<ImageFeatures()> encoding_of(const ModelParts& model, const Pictures& pictures);
// The same at once: runs the vision encoder, or finds in the cache what it made.
ImageFeatures encode_pictures(const ModelParts& model, const Pictures& pictures);

// Throws Error(invalid_argument) for features of another vision encoder.
void check_made_for(const ModelParts& model, const EncodedPictures& features);

}  // namespace instructblip
