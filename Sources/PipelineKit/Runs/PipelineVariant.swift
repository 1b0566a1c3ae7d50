public import ShardKit

/// Names and places of the variants of a pipeline that an ablation runs.
public enum PipelineVariant {
  /// The pipeline name under which a variant's runs are recorded.
  /// - Parameter variant: `without-dedupe/seed-1`
  public static func pipelineName(_ variant: String, of pipeline: String) -> String { "\(pipeline):\(variant)" }

  /// Whether a pipeline name is that of a variant.
  static func isVariant(_ name: String, of pipeline: String) -> Bool { name.hasPrefix(pipeline + ":") }

  /// The variant of a pipeline name; nil for a pipeline itself.
  public static func variant(of name: String) -> String? {
    guard let colon = name.firstIndex(of: ":") else { return nil }
    return String(name[name.index(after: colon)...])
  }

  /// The folder of a store that has the pipeline files of a pipeline's variants, as they ran.
  public static func folder(store: String, pipeline: String) -> String {
    "\(store)/ablations/\(pathPart(pipeline))"
  }

  /// The pipeline file of a variant, as it ran.
  public static func path(_ variant: String, store: String, pipeline: String) -> String {
    "\(folder(store: store, pipeline: pipeline))/\(variant).json"
  }

  /// A text as one part of a path: without slashes, spaces and control characters, at most about 100 bytes long, and
  /// different for different texts.
  public static func pathPart(_ text: String) -> String {
    var out = ""
    for scalar in text.unicodeScalars.prefix(100) where out.utf8.count < 100 {
      let isKept = scalar.value > 0x20 && scalar.value != 0x7F && scalar != "/" && !(out.isEmpty && scalar == ".")
      out.unicodeScalars.append(isKept ? scalar : "_")
    }
    return out.isExactly(text) ? out : "\(out)-\(Digester.digest(Array(text.utf8)).short.prefix(6))"
  }
}

/// What is kept of a variant: its pipeline file, resolved, and where relative paths in it start.
public struct VariantRecord: JSONRecord {
  /// The file of a variant that has one of its own, absolute; nil: that of the pipeline.
  public var file: String?
  public var pipeline: JSONValue

  public init(file: String?, pipeline: JSONValue) {
    self.file = file
    self.pipeline = pipeline
  }
}
