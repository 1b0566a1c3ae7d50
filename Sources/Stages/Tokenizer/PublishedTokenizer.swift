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

  /// - Parameter maximumLength: of the model that it is written for; nil leaves the tokenizer's own.
  init(_ tokenizer: Tokenizer, _ inputs: [ArtifactFile], maximumLength: Int? = nil) throws {
    var files: [(name: String, bytes: [UInt8])] = []
    for file in inputs where Self.names.contains(file.name) && file.name != HuggingFaceTokenizerFiles.configurationName
    {
      files.append((file.name, try openSource(file.path).readAll(limit: Self.maximumBytes)))
    }
    let configuration = Self.configuration(tokenizer, maximumLength)
    files.append((HuggingFaceTokenizerFiles.configurationName, Array(configuration.prettyText().utf8)))
    self.files = files
  }

  private static func configuration(_ tokenizer: Tokenizer, _ maximumLength: Int?) -> JSONValue {
    var members = tokenizer.configuration.members ?? []
    if members.isEmpty {
      members = [JSONMember("tokenizer_class", "PreTrainedTokenizerFast")]
      for role in Tokenizer.Role.allCases {
        guard let id = tokenizer.special(role) else { continue }
        members.append(JSONMember(role.rawValue, .string(String(decoding: tokenizer.tokens[Int(id)], as: UTF8.self))))
      }
      members.append(JSONMember("clean_up_tokenization_spaces", false))
    }
    guard let maximumLength else { return .object(members) }
    let length = JSONMember("model_max_length", .integer(maximumLength))
    if let at = members.firstIndex(where: { $0.key == length.key }) {
      members[at] = length
    } else {
      members.append(length)
    }
    return .object(members)
  }
}
