import PipelineKit
import ShardKit
import TextKit
import TrainerCore

/// What sentence-transformers keeps beside a model of transformers: how a text's vector is made of the tokens' vectors.
///
/// Written in the form that all its releases read: `modules.json`, a folder per module, and the prompts.
struct SentenceTransformersFiles {
  static let modulesName = "modules.json"
  static let promptsName = "config_sentence_transformers.json"
  static let lengthName = "sentence_bert_config.json"
  /// Names that the library looks for, the first first.
  static let lengthNames = [
    lengthName, "sentence_roberta_config.json", "sentence_distilbert_config.json", "sentence_camembert_config.json",
    "sentence_albert_config.json", "sentence_xlm-roberta_config.json", "sentence_xlnet_config.json",
  ]
  static let configurationName = "config.json"

  let settings: EmbeddingSettings
  let shape: ModelShape

  private var names: [String] {
    ["Transformer", "Pooling"] + (settings.pooling == .pooler ? ["Dense"] : [])
      + (settings.normalizes ? ["Normalize"] : [])
  }

  private func folder(_ place: Int) -> String { place == 0 ? "" : "\(place)_\(names[place])" }

  /// All but the weights of BERT's pooler, which is a `Dense` there.
  var contents: [(name: String, bytes: [UInt8])] {
    func file(_ name: String, _ json: JSONValue) -> (name: String, bytes: [UInt8]) {
      (name, Array(json.prettyText().utf8))
    }
    let modules = names.enumerated().map { place, name -> JSONValue in
      [
        "idx": .integer(place), "name": .string("\(place)"), "path": .string(folder(place)),
        "type": .string("sentence_transformers.models.\(name)"),
      ]
    }
    let prompts: JSONValue = [
      "prompts": ["query": .string(settings.queryPrefix), "document": .string(settings.documentPrefix)],
      "default_prompt_name": .null, "similarity_fn_name": "cosine",
    ]
    let length: JSONValue = [
      "max_seq_length": .integer(min(settings.maximumLength ?? .max, shape.maximumLength)),
      "do_lower_case": .bool(false),
    ]
    var files = [
      file(Self.modulesName, .list(modules)), file("\(folder(1))/\(Self.configurationName)", pooling),
      file(Self.promptsName, prompts), file(Self.lengthName, length),
    ]
    if settings.pooling == .pooler { files.append(file("\(folder(2))/\(Self.configurationName)", dense)) }
    return files
  }

  private var pooling: JSONValue {
    [
      "word_embedding_dimension": .integer(shape.hiddenSize),
      "pooling_mode_cls_token": .bool(settings.pooling != .mean),
      "pooling_mode_mean_tokens": .bool(settings.pooling == .mean), "pooling_mode_max_tokens": .bool(false),
      "pooling_mode_mean_sqrt_len_tokens": .bool(false), "pooling_mode_weightedmean_tokens": .bool(false),
      "pooling_mode_lasttoken": .bool(false), "include_prompt": .bool(true),
    ]
  }

  private var dense: JSONValue {
    [
      "in_features": .integer(shape.hiddenSize), "out_features": .integer(shape.hiddenSize), "bias": .bool(true),
      "activation_function": "torch.nn.modules.activation.Tanh",
    ]
  }

  /// The name of the pooler's weights, and their tensors; nil if it is not part of the vectors.
  func pooler(_ weights: SafetensorsFile) -> (name: String, tensors: [TensorSource])? {
    guard settings.pooling == .pooler, shape.hasVectorPooler else { return nil }
    let tensors = zip(["linear.weight", "linear.bias"], shape.poolerParameters).map { name, parameter in
      TensorSource(name, .float32, shape: parameter.shape) { (sink) throws(ShardError) in
        let floats = try weights.floats(of: parameter.name)
        try floats.withUnsafeBufferPointer { (b) throws(ShardError) in try sink(UnsafeRawBufferPointer(b)) }
      }
    }
    return ("\(folder(2))/\(HuggingFaceConfiguration.weightsName)", tensors)
  }
}

/// The modules of a model that sentence-transformers saved, as far as this program has them.
struct SentenceTransformersModules {
  var settings = EmbeddingSettings()
  /// Folder of the `Dense` that is BERT's pooler; nil: none.
  var pooler: String?
  /// - Parameter read: a file of the model, by name; nil if there is none.
  /// - Throws: `StageError` (`input`) if a file is damaged, or the vectors are made in another way.
  init?(_ read: (String) throws -> JSONValue?) throws {
    typealias Files = SentenceTransformersFiles
    guard let list = try read(Files.modulesName) else { return nil }
    let modules = list.array ?? []
    settings.normalizes = false
    var hasPooling = false
    for (place, module) in modules.enumerated() {
      let path = module["path"]?.string ?? ""
      let kind = (module["type"]?.string ?? "").split(separator: ".").last.map(String.init) ?? ""
      let configuration = path.isEmpty ? nil : try read("\(path)/\(Files.configurationName)")
      switch kind {
      case "Transformer" where place == 0: break
      case "Pooling" where place == 1:
        settings.pooling = try Self.pooling(configuration ?? .null, path)
        hasPooling = true
      case "Dense" where place == 2 && settings.pooling == .cls && Self.isPooler(configuration ?? .null):
        (settings.pooling, pooler) = (.pooler, path)
      case "Normalize": settings.normalizes = true
      case "Dropout": break
      default: throw Self.foreign("\(Files.modulesName): module \(place), \(kind)")
      }
    }
    guard hasPooling else { throw Self.foreign("\(Files.modulesName): a list of modules without Pooling") }
    try readPrompts(try read(Files.promptsName) ?? .null)
    try readLength(
      try Files.lengthNames.lazy.compactMap { try read($0) }.first ?? .null,
      tokenizer: try read(HuggingFaceTokenizerFiles.configurationName) ?? .null)
  }

  /// As the library's `encode_query` and `encode_document` choose them; without one, the default of all texts.
  private mutating func readPrompts(_ json: JSONValue) throws {
    let prompts = json["prompts"] ?? .null
    var others = ""
    if let name = json["default_prompt_name"]?.string {
      guard let prompt = prompts[name]?.string else {
        throw Self.foreign(
          "\(SentenceTransformersFiles.promptsName): default_prompt_name '\(name)', which is no prompt,")
      }
      others = prompt
    }
    settings.queryPrefix = prompts["query"]?.string ?? others
    settings.documentPrefix =
      ["document", "passage", "corpus"].lazy.compactMap { prompts[$0]?.string }.first ?? others
  }

  /// Releases from 5.7 on keep the length with the tokenizer alone.
  private mutating func readLength(_ json: JSONValue, tokenizer: JSONValue) throws {
    guard json["do_lower_case"] != .bool(true) else {
      throw Self.foreign(
        "\(SentenceTransformersFiles.lengthName): do_lower_case, texts in lower case before the tokenizer,")
    }
    let own = json["max_seq_length"]?.integer.flatMap { $0 > 0 ? $0 : nil }
    settings.maximumLength = own ?? Self.length(tokenizer: tokenizer)
  }

  /// Tokens of an input at most by a tokenizer's configuration; nil if it does not say, or only by transformers' number for
  /// no limit (10³⁰).
  static func length(tokenizer: JSONValue) -> Int? {
    // Releases of transformers before 3 wrote the second name.
    let stated = tokenizer["model_max_length"] ?? tokenizer["max_len"]
    guard let length = stated?.double.flatMap({ Int(exactly: $0) }), 1...1 << 24 ~= length else { return nil }
    return length
  }

  /// One mode, by its name or by older releases' flags.
  private static func pooling(_ json: JSONValue, _ path: String) throws -> Pooling {
    let prefix = "pooling_mode_"
    let flags = (json.members ?? []).filter { $0.key.hasPrefix(prefix) && $0.value == .bool(true) }.map(\.key)
    let named = json["pooling_mode"]?.string
    switch named ?? (flags.count == 1 ? String(flags[0].dropFirst(prefix.count)) : "") {
    case "mean", "mean_tokens":
      guard json["include_prompt"] != .bool(false) else {
        throw foreign("\(path): include_prompt false, a mean without the prompt's tokens,")
      }
      return .mean
    case "cls", "cls_token": return .cls
    default: throw foreign("\(path): pooling \(named ?? flags.joined(separator: ", "))")
    }
  }

  private static func isPooler(_ json: JSONValue) -> Bool {
    json["bias"] == .bool(true) && json["in_features"] == json["out_features"]
      && json["activation_function"]?.string?.hasSuffix("Tanh") == true
  }

  static func foreign(_ what: String) -> StageError {
    StageError(
      .input, what, "is not supported",
      hint: "Supported are the mean of the tokens' vectors, the first token's, and BERT's pooler. To read the encoder "
        + "alone, leave modules.json out.")
  }
}
