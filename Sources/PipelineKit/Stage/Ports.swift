/// What an artifact contains. A port accepts one kind; wiring another is a load-time error.
public enum ArtifactKind: String, Sendable, CaseIterable {
  case documents, signals, vectors, signatures, clusters, intermediate, tokenizer, mds, classifier, checkpoint,
    checkpoints,
    huggingFaceModel,
    metrics,
    report, files
  /// For inputs only: any artifact.
  case any

  /// Whether an input of this kind can read an output of that kind.
  func accepts(_ output: ArtifactKind) -> Bool { self == output || self == .any }
}

/// A kind as a type, so that opening a port as the wrong kind does not compile.
public protocol ArtifactType { static var kind: ArtifactKind { get } }

public enum Documents: ArtifactType { public static let kind = ArtifactKind.documents }
/// Measures beside documents: files of `SignalsWriter`, one per file of documents, in their order.
public enum Signals: ArtifactType { public static let kind = ArtifactKind.signals }
/// Vectors of documents, beside them: safetensors, one file per file of documents, in their order.
public enum Vectors: ArtifactType { public static let kind = ArtifactKind.vectors }
public enum Signatures: ArtifactType { public static let kind = ArtifactKind.signatures }
public enum Clusters: ArtifactType { public static let kind = ArtifactKind.clusters }
/// What one phase of a stage hands to the next, in a form of its own.
public enum Intermediate: ArtifactType { public static let kind = ArtifactKind.intermediate }
public enum TokenizerFiles: ArtifactType { public static let kind = ArtifactKind.tokenizer }
public enum MDS: ArtifactType { public static let kind = ArtifactKind.mds }
/// A classifier of texts, such as that of `classifier.train`.
public enum Classifier: ArtifactType { public static let kind = ArtifactKind.classifier }
public enum Checkpoint: ArtifactType { public static let kind = ArtifactKind.checkpoint }
/// Training checkpoints, with everything needed to resume from one.
public enum Checkpoints: ArtifactType { public static let kind = ArtifactKind.checkpoints }
public enum HuggingFaceModel: ArtifactType { public static let kind = ArtifactKind.huggingFaceModel }
public enum Metrics: ArtifactType { public static let kind = ArtifactKind.metrics }
public enum Report: ArtifactType { public static let kind = ArtifactKind.report }
/// Files as downloaded: dumps, archives.
public enum Files: ArtifactType { public static let kind = ArtifactKind.files }

/// For an input that takes artifacts of every kind, such as an upload.
public enum AnyArtifact: ArtifactType { public static let kind = ArtifactKind.any }

/// An input of a stage.
public struct Input<Kind: ArtifactType>: Sendable {
  public let port: InputPort

  public init(
    _ name: String, _ documentation: String, required: Bool = true, many: Bool = Kind.kind == .documents,
    named: Bool = false, holdsRecords: Bool = true
  ) {
    port = InputPort(
      name: name, kind: Kind.kind, documentation: documentation, isRequired: required, acceptsMany: many || named,
      acceptsNames: named, holdsRecords: holdsRecords)
  }
}

/// An output of a stage.
public struct Output<Kind: ArtifactType>: Sendable {
  public let port: OutputPort

  /// A `hidden` output passes one phase's work to the next and cannot be wired.
  public init(_ name: String, _ documentation: String, hidden: Bool = false) {
    port = OutputPort(name: name, kind: Kind.kind, documentation: documentation, isHidden: hidden)
  }
}

public struct InputPort: Equatable, Sendable {
  public let name: String
  public let kind: ArtifactKind
  public let documentation: String
  public let isRequired: Bool
  /// Several artifacts may be wired; they are read in the order written.
  public let acceptsMany: Bool
  /// The artifacts may have names: `{ "ja": "encode-ja", "en": "encode-en" }`.
  public let acceptsNames: Bool
  /// False for auxiliary files, as opposed to the records that the stage reads.
  public let holdsRecords: Bool
}

public struct OutputPort: Equatable, Sendable {
  public let name: String
  public let kind: ArtifactKind
  public let documentation: String
  public let isHidden: Bool
}
