import PipelineKit
import ShardKit
import TestKit

@testable import Stages
@testable import TextKit
@testable import TrainerCore

/// Models, tokenizers and checkpoints.
let modelTargets: [String: FuzzTarget] = [
  "safetensors": fileReader("model.safetensors", bytes: [safetensors], words: modelWords) { path in
    let file = try SafetensorsFile(path)
    for entry in file.entries { _ = try? file.floats(of: entry.name) }
  },
  "safetensors-index": fileReader(
    "model.safetensors.index.json", samples: [#"{"weight_map":{"a":"part.safetensors"}}"#], words: modelWords + ["../"]
  ) { path in
    let folder = String(path[..<path.lastIndex(of: "/")!])
    put(safetensors, folder + "/part.safetensors")
    try FileSystem.remove(folder + "/model.safetensors")
    _ = try SafetensorsModel(folder)
  },
  "tokenizer": fileReader("tokenizer.json", samples: [tokenizer], words: modelWords + ["[UNK]", "\"id\":"]) { path in
    _ = try WordPieceTokenizer(path: path)
  },
  "subwords": fileReader(
    "tokenizer.json", samples: subwords,
    words: modelWords + [
      "\"type\":", "Sequence", "\\\\p{L}+", "(?!", "[^", "{2,}", "<0x0A>", "\"added_tokens\":[", "1e308",
    ]
  ) { path in
    let session = try TokenizerSession(Tokenizer(path: path))
    var ids = TokenBuffer()
    let text = Array("a ab  あ漢\u{301} 12 <x>\r\n①e\u{301}".utf8)
    try text.withUnsafeBufferPointer { try session.encode($0, addingSpecialTokens: true, into: &ids) }
    for token in try session.encodeWithPlaces(text) { _ = text[token.range] }
  },
  "tokenizer-files": fileReader(
    "files/tokenizer.json", samples: subwords.map { $0 + "\0" + configuration + "\0" + #"{"mask_token":"b"}"# },
    words: modelWords + [
      "\0", "\"id\":", "4294967295", "\"tokenizer_class\":\"BertTokenizerFast\"",
      "\"tokenizer_class\":\"GPT2Tokenizer\"",
      "\"added_tokens_decoder\":{", "\"do_lower_case\":", "\"add_prefix_space\":", "\"special\":true",
    ]
  ) { path in
    let parts = try FileSystem.read(path).split(separator: 0, maxSplits: 2, omittingEmptySubsequences: false)
    for (place, name) in ["tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"].enumerated() {
      put(place < parts.count ? Array(parts[place]) : Array("{}".utf8), ArchivePath.prefix(of: path) + name)
    }
    let tokenizer = try Tokenizer(path: path)
    promise(tokenizer.idsWithoutText.allSatisfy { $0 < tokenizer.tokens.count }, "ids are places in the vocabulary")
  },
  "tokenizer-settings": textReader(
    samples: [
      #"{"word_tokenizer_type":"mecab","mecab_kwargs":{"mecab_dic":"ipadic"},"added_tokens_decoder":{"0":{"content":"[PAD]"}}}"#
        + "\n[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\n##a"
    ], words: modelWords + ["[UNK]", "\n"]
  ) { input in
    let lines = input.split(separator: 10, omittingEmptySubsequences: false).map { Array($0) }
    let settings = try HuggingFaceTokenizerSettings(JSONValue.parse(lines[0]).value)
    _ = try WordPieceTokenizer(vocabulary: Array(lines.dropFirst()), settings)
  },
  "model-shape": fileReader("model.json", samples: [ModelShape().json.text()], words: modelWords) { path in
    let shape = try ModelShape(path: path)
    _ = (shape.encoderParameters, shape.headParameters, shape.poolerParameters)
  },
  "model-huggingface": reader(
    samples: [
      #"{"model_type":"bert","vocab_size":100,"hidden_size":8,"num_hidden_layers":1,"num_attention_heads":2,"#
        + #""intermediate_size":16,"max_position_embeddings":32,"hidden_act":"gelu"}"#,
      #"{"model_type":"roberta","vocab_size":100,"hidden_size":8,"num_hidden_layers":1,"num_attention_heads":2,"#
        + #""intermediate_size":16,"max_position_embeddings":34,"pad_token_id":1,"type_vocab_size":1}"#,
      HuggingFaceConfiguration.json(ModelShape(.ropeBERT)).text(),
      HuggingFaceConfiguration.json(ModelShape(.modernBERT)).text(),
    ],
    words: modelWords + [
      "\"full_attention\"", "\"layer_types\":[", "\"rope_parameters\":{", "\"rope_theta\":", "\"pad_token_id\":",
      "\"head_dim\":", "1e308", "\"auto_map\":{",
    ]
  ) { input in
    let shape = try HuggingFaceConfiguration.shape(JSONValue.parse(input).value, path: "config.json")
    _ = shape.encoderParameters
  },
  "checkpoint": fileReader("state.json", samples: [checkpoint], words: modelWords) { path in
    _ = try CheckpointManifest(path: path)
  },
  "training-job": fileReader("job.json", samples: [TrainingJob().json.text()], words: modelWords) { path in
    let job = try TrainingJob(path: path)
    _ = (job.fingerprint, job.curveEverySteps)
    for step in [0, 1, 1000] { _ = job.learningRate(after: step) }
  },
  "task-job": fileReader(
    "job.json", samples: [FineTuningJob().json.text(), EmbeddingJob().json.text(), RemoteData().json.text()],
    words: modelWords
  ) { path in
    _ = try? FineTuningJob(path: path)
    _ = try? EmbeddingJob(path: path)
    _ = try? RemoteData(path: path)
    _ = try TunedTask(tuned: path)
  },
  "training-events": reader(
    samples: [
      #"{"event":"step","step":1,"steps":2,"loss":3,"learningRate":1e-4,"gradientNorm":null,"tokensPerSecond":5}"#,
      #"{"event":"began","device":"cpu","parameters":5,"resumedAt":0,"batchSize":8,"tokensPerStep":64,"microbatches":2,"#
        + #""microbatchSize":4,"processes":1}"#,
      #"{"event":"done","step":1,"samples":2,"tokens":3,"seconds":4,"tokensPerSecond":5,"peakMemoryBytes":6}"#,
    ], words: modelWords + ["checkpoint", "warning", "stopped"]
  ) { input in
    _ = TrainingEvent(line: input)
    let json = try JSONValue.parse(input).value
    _ = (try? FineTuningStep(json: json), try? DataPosition(json: json))
  },
  "metrics-log": fileReader(
    "metrics.jsonl",
    samples: [#"{"step":1,"loss":2.5,"learningRate":1e-4}"# + "\n" + #"{"step":2,"loss":null}"# + "\n"],
    words: modelWords + ["\n", "\"step\":"]
  ) { path in
    let points = try MetricsLog.curve(path)
    let log = try MetricsLog(path, resumedStep: 1)
    withExtendedLifetime(log) { promise(points.allSatisfy { $0.step >= 0 }, "steps count from 0") }
  },
]

private let modelWords = [
  "{", "}", "[", "]", ":", ",", "\"", "null", "true", "-1", "0", "9223372036854775807", "1e308", "1e-320",
  "\"format\":",
  "data_offsets", "dtype", "shape", "F32", "BF16", "__metadata__",
]

private let safetensors: [UInt8] = {
  let header =
    #"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"BF16","shape":[1,1],"data_offsets":[8,10]}}"#
  let length = withUnsafeBytes(of: UInt64(header.utf8.count).littleEndian) { Array($0) }
  return length + Array(header.utf8) + [0, 0, 128, 63, 0, 0, 0, 64, 128, 63]
}()

private let tokenizer: String = {
  let vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "##a", "あ"].enumerated()
    .map { JSONMember($0.element, .integer($0.offset)) }
  let json: JSONValue = [
    "added_tokens": .list([["id": 1, "content": "[UNK]"]]),
    "normalizer": HuggingFaceTokenizerFiles.normalizer(.scripts),
    "pre_tokenizer": HuggingFaceTokenizerFiles.preTokenizer(.scripts),
    "model": [
      "type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##", "max_input_chars_per_word": 100,
      "vocab": .object(vocabulary),
    ],
  ]
  return json.text()
}()

private let subwords = [
  #"{"added_tokens":[{"id":4,"content":"<x>","lstrip":true,"rstrip":true,"special":true,"single_word":true}],"#
    + #""normalizer":{"type":"Sequence","normalizers":[{"type":"NFKC"},{"type":"Replace","pattern":{"Regex":" {2,}"},"#
    + #""content":"▁"},{"type":"Prepend","prepend":"▁"}]},"pre_tokenizer":{"type":"Metaspace","replacement":"▁","#
    + #""prepend_scheme":"first"},"post_processor":{"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"<x>","#
    + #""type_id":0}},{"Sequence":{"id":"A","type_id":0}}],"pair":[{"Sequence":{"id":"A","type_id":0}},{"Sequence":"#
    + #"{"id":"B","type_id":1}}],"special_tokens":{"<x>":{"id":"<x>","ids":[4],"tokens":["<x>"]}}},"model":{"type":"#
    + #""Unigram","unk_id":0,"byte_fallback":true,"vocab":[["<unk>",0],["a",-1.5],["ab",-2.25],["▁",-3]]}}"#,
  #"{"normalizer":{"type":"BertNormalizer","clean_text":true,"handle_chinese_chars":true,"strip_accents":null,"#
    + #""lowercase":true},"pre_tokenizer":{"type":"Sequence","pretokenizers":[{"type":"Split","pattern":{"Regex":"#
    + #""(?i:'s)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}|\\s+(?!\\S)|\\s+"},"behavior":"MergedWithNext","invert":false},"#
    + #"{"type":"ByteLevel","add_prefix_space":true,"use_regex":true}]},"post_processor":{"type":"RobertaProcessing","#
    + #""sep":["b",1],"cls":["a",0]},"model":{"type":"BPE","unk_token":"a","fuse_unk":true,"ignore_merges":true,"#
    + #""vocab":{"a":0,"b":1,"ab":2,"Ġ":3},"merges":["a b"]}}"#,
  #"{"normalizer":{"type":"Precompiled","precompiled_charsmap":"CAAAAAAEAAAAAAAAeAA="},"pre_tokenizer":{"type":"#
    + #""Punctuation","behavior":"Contiguous"},"model":{"type":"WordPiece","unk_token":"a","#
    + #""max_input_chars_per_word":9,"vocab":{"a":0,"b":1}}}"#,
]

private let configuration =
  #"{"tokenizer_class":"PreTrainedTokenizerFast","added_tokens_decoder":{"4":{"content":"<y>","special":true},"#
  + #""5":{"content":"<z>","lstrip":true}},"cls_token":"a","additional_special_tokens":["b"],"add_prefix_space":true}"#

private let checkpoint =
  #"{"format":1,"step":1,"epoch":0,"sampleInEpoch":5,"samples":5,"tokens":50,"seed":"17","schedulePosition":1,"#
  + #""fingerprint":"f","files":{"weights.safetensors":{"bytes":1,"digest":"\#(String(repeating: "0", count: 64))"},"#
  + #""optimizer.safetensors":{"bytes":1,"digest":"\#(String(repeating: "0", count: 64))"}}}"#
