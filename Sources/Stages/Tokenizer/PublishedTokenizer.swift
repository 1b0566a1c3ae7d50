import PipelineKit
import ShardKit
import TextKit

/// The files of a tokenizer that another program made, as they are; only the length of inputs is the model's.
struct PublishedTokenizer {
  static let names = [
    HuggingFaceTokenizerFiles.tokenizerName, HuggingFaceTokenizerFiles.configurationName,
    HuggingFaceTokenizerFiles.specialTokensName,
  ]

  /// Contents by name.
  let files: [(name: String, bytes: [UInt8])]

  private static let maximumBytes = 256 << 20

  /// - Parameters:
  ///   - maximumLength: of the model that it is written for; nil leaves the tokenizer's own.
  ///   - inputNames: what that model takes, by transformers' names; empty leaves the tokenizer's own.
  init(
    _ tokenizer: Tokenizer, _ inputs: [ArtifactFile], maximumLength: Int? = nil, inputNames: [String] = []
  ) throws {
    var files: [(name: String, bytes: [UInt8])] = []
    for file in inputs where Self.names.contains(file.name) && file.name != HuggingFaceTokenizerFiles.configurationName
    {
      files.append((file.name, try openSource(file.path).readAll(limit: Self.maximumBytes)))
    }
    let configuration = Self.configuration(tokenizer, maximumLength, inputNames)
    files.append((HuggingFaceTokenizerFiles.configurationName, Array(configuration.prettyText().utf8)))
    self.files = files
  }

  private static func configuration(
    _ tokenizer: Tokenizer, _ maximumLength: Int?, _ inputNames: [String]
  ) -> JSONValue {
    var members = tokenizer.configuration.members ?? []
    if members.isEmpty {
      members = [JSONMember("tokenizer_class", "PreTrainedTokenizerFast")]
      for role in Tokenizer.Role.allCases {
        guard let id = tokenizer.special(role) else { continue }
        members.append(JSONMember(role.rawValue, .string(String(decoding: tokenizer.tokens[Int(id)], as: UTF8.self))))
      }
      members.append(JSONMember("clean_up_tokenization_spaces", false))
      if tokenizer.addsPrefixSpace { members.append(JSONMember("add_prefix_space", true)) }
    }
    func set(_ member: JSONMember) {
      if let at = members.firstIndex(where: { $0.key == member.key }) {
        members[at] = member
      } else {
        members.append(member)
      }
    }
    // Releases of transformers before 5 do not know its new name for this class, and 5 knows both.
    if maximumLength != nil, tokenizer.configuration["tokenizer_class"] == "TokenizersBackend" {
      set(JSONMember("tokenizer_class", "PreTrainedTokenizerFast"))
    }
    if let maximumLength { set(JSONMember("model_max_length", .integer(maximumLength))) }
    if !inputNames.isEmpty { set(JSONMember("model_input_names", .strings(inputNames))) }
    return .object(members)
  }
}
