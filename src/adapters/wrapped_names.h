// What training code puts around the names of a model's tensors.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace instructblip {

// `name` without the components that stand for a wrapper around a module, at whatever level:
// "module" (DistributedDataParallel, DeepSpeed), peft's "base_model.model", and those that begin
// with an underscore: "_orig_mod" (torch.compile), "_fsdp_wrapped_module",
// "_checkpoint_wrapped_module", "_forward_module" (Lightning). No model has such names of its own.
std::string without_wrappers(std::string_view name);

// What stands before the names of a model that is the attribute of another module, as "model." in
// the files of Lightning: the one beginning behind which `is_known` finds names that it does not
// find with it. Empty where names are known as they are, or none is. Throws Error(bad_model),
// naming `file`, where there are two such beginnings: nobody can tell which of two models counts.
std::string outer_prefix(const std::vector<std::string>& names,
                         const std::function<bool(std::string_view)>& is_known,
                         const std::string& file);

}  // namespace instructblip
