// Prefill and decode of one build of llama.cpp, for the comparison of builds in decision 0007.
//
// With the headers and libraries of a build tree B of source tree S (or the wheel's own shared object):
//   g++ -O2 -I S/include -I S/ggml/include bench/llama_speed.cpp -o llama_speed
//       B/src/libllama.a B/ggml/src/libggml.a B/ggml/src/libggml-cpu.a B/ggml/src/libggml-base.a -fopenmp -ldl
//   ./llama_speed MODEL.gguf PROMPT_TOKENS NEW_TOKENS SEQUENCES THREADS
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "llama.h"

static double now_s() {
    return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

static void quiet(ggml_log_level, const char *, void *) {}

int main(int count, char ** given) {
    if (count != 6) {
        return std::fprintf(stderr, "MODEL PROMPT_TOKENS NEW_TOKENS SEQUENCES THREADS\n"), 2;
    }
    const int prompt = atoi(given[2]), written = atoi(given[3]), sequences = atoi(given[4]), threads = atoi(given[5]);
    const int rounds = 3;
    llama_log_set(quiet, nullptr);
    llama_backend_init();
    llama_model * model = llama_model_load_from_file(given[1], llama_model_default_params());
    if (model == nullptr) {
        return std::fprintf(stderr, "the model cannot be read\n"), 1;
    }
    llama_context_params settings = llama_context_default_params();
    settings.n_ctx = (prompt + written + 64) * sequences;
    settings.n_seq_max = sequences;
    settings.n_threads = settings.n_threads_batch = threads;
    llama_context * context = llama_init_from_model(model, settings);
    const int vocabulary = llama_vocab_n_tokens(llama_model_get_vocab(model));
    const int room = llama_n_batch(context);
    llama_batch batch = llama_batch_init(room, 0, 1);
    const auto add = [&](int position, int sequence, bool wanted) {
        const int at = batch.n_tokens++;
        batch.token[at] = rand() % vocabulary;
        batch.pos[at] = position;
        batch.n_seq_id[at] = 1;
        batch.seq_id[at][0] = sequence;
        batch.logits[at] = wanted;
    };
    const auto pass = [&] {
        if (batch.n_tokens > 0 && llama_decode(context, batch) != 0) {
            std::exit(1);
        }
        llama_synchronize(context);
        batch.n_tokens = 0;
    };
    std::vector<double> prefill, decode;
    for (int round = 0; round < rounds; round++) {
        llama_memory_clear(llama_get_memory(context), true);
        double start = now_s();
        for (int sequence = 0; sequence < sequences; sequence++) {
            for (int at = 0; at < prompt; at++) {
                add(at, sequence, at == prompt - 1);
                if (batch.n_tokens == room) {
                    pass();
                }
            }
        }
        pass();
        prefill.push_back(sequences * prompt / (now_s() - start));
        start = now_s();
        for (int step = 0; step < written; step++) {
            for (int sequence = 0; sequence < sequences; sequence++) {
                add(prompt + step, sequence, true);
            }
            pass();
        }
        decode.push_back(sequences * written / (now_s() - start));
    }
    std::sort(prefill.begin(), prefill.end());
    std::sort(decode.begin(), decode.end());
    std::printf("%s\nprefill %.0f tok/s, decode %.0f tok/s (median of %d)\n", llama_print_system_info(),
                prefill[rounds / 2], decode[rounds / 2], rounds);
    llama_batch_free(batch);
    llama_free(context);
    llama_model_free(model);
}
