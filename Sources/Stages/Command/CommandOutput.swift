import Glibc
import PipelineKit
import ShardKit
import TextKit
import TrainerCore

/// An output port of `command.files`: what a program wrote there is checked and published.
struct CommandOutput: Sendable {
  let port: OutputPort
  /// Throws if the files of a folder are not what the port takes.
  private let check: @Sendable (_ folder: String, _ names: [String]) throws -> Void

  static let all = [
    CommandOutput(Output<Documents>("documents", "Documents: JSON lines, compressed or not.").port),
    CommandOutput(Output<Files>("files", "Files of any form.").port),
    CommandOutput(
      Output<TokenizerFiles>("tokenizer", "tokenizer.json, and tokenizer_config.json if there is one.").port
    ) { folder, names in
      try need(HuggingFaceTokenizerFiles.tokenizerName, names, folder)
      try checkObject("\(folder)/\(HuggingFaceTokenizerFiles.tokenizerName)")
    },
    CommandOutput(Output<MDS>("mds", "A data set in the MDS format: index.json and its shards.").port) {
      folder, names in
      try need("index.json", names, folder)
      let present = Set(names.map { ExactText($0) })
      for shard in try MDSIndex(path: "\(folder)/index.json").shards
      where !present.contains(ExactText(shard.stored.basename)) && !present.contains(ExactText(shard.raw.basename)) {
        throw missing(shard.raw.basename, folder, "index.json names it")
      }
    },
    CommandOutput(
      Output<Checkpoint>("checkpoint", "A model of this program: model.json and weights.safetensors.").port
    ) { folder, names in
      for name in [ModelShape.fileName, ModelShape.weightsName] { try need(name, names, folder) }
      _ = try ModelShape(path: "\(folder)/\(ModelShape.fileName)")
      _ = try SafetensorsFile("\(folder)/\(ModelShape.weightsName)")
    },
    CommandOutput(
      Output<HuggingFaceModel>("model", "A model for transformers: config.json and *.safetensors.").port
    ) { folder, names in
      try need("config.json", names, folder)
      try checkObject("\(folder)/config.json")
      let weights = names.filter { $0.hasSuffix(".safetensors") }
      guard !weights.isEmpty else { throw missing("*.safetensors", folder, "a model has its weights there") }
      for name in weights { _ = try SafetensorsFile("\(folder)/\(name)") }
    },
    CommandOutput(Output<Metrics>("metrics", "Figures as JSON objects, one per file.").port) { folder, names in
      for name in names {
        guard name.hasSuffix(".json") else { throw wrong("\(folder)/\(name)", "metrics are .json files") }
        try checkObject("\(folder)/\(name)")
      }
    },
    CommandOutput(Output<Report>("report", "A report, as files of any form.").port),
  ]

  private init(
    _ port: OutputPort,
    check: @escaping @Sendable (_ folder: String, _ names: [String]) throws -> Void = { _, _ in }
  ) {
    self.port = port
    self.check = check
  }

  /// - Throws: `StageError` (`.check`) if the folder is empty, or its contents are not of the port's kind.
  func publish(_ folder: String, _ workspace: Workspace) throws {
    let names = try FileSystem.walk(folder)
    guard !names.isEmpty else {
      throw Self.wrong(folder, "the program ended with code 0, but wrote no file to {output.\(port.name)}")
    }
    for name in names {
      var parent = ArchivePath.parent(of: name)
      while let inner = parent, !inner.isEmpty {
        var status = stat()
        guard lstat("\(folder)/\(inner)", &status) == 0, status.st_mode & S_IFMT == S_IFDIR else {
          throw Self.wrong("\(folder)/\(inner)", "it is a link to a folder; an artifact has its own files alone")
        }
        parent = ArchivePath.parent(of: inner)
      }
      var status = stat()
      guard lstat("\(folder)/\(name)", &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
        throw Self.wrong("\(folder)/\(name)", "it is a link or a special file; an artifact has regular files alone")
      }
    }
    if port.kind == .documents { return try Self.copyDocuments(folder, names, workspace) }
    do { try check(folder, names) } catch let error as any DescribedError where !(error is StageError) {
      throw Self.wrong(error.subject.isEmpty ? folder : error.subject, error.message)
    }
    // Files keep their form, whatever their kind.
    let output = Output<Files>(port.name, port.documentation)
    for name in names {
      let path = "\(folder)/\(name)"
      let file = ArtifactFile(
        path: path, name: name, bytes: FileSystem.status(path)?.bytes ?? 0, digest: try Digester.digest(file: path))
      try workspace.link(output, name: name, to: file)
    }
  }

  /// Documents are written again in the form that all stages write, so that they are counted and found.
  private static func copyDocuments(_ folder: String, _ names: [String], _ workspace: Workspace) throws {
    let writer = try workspace.documents(to: Output<Documents>("documents", "The documents."))
    var document = Document()
    for name in names {
      let reader = try DocumentReader(path: "\(folder)/\(name)")
      do {
        while try reader.next(&document) {
          try writer.write(document)
          workspace.repeatDocument("written", bytes: document.text.count)
        }
      } catch let error as ShardError where error.code != .diskFull {
        throw wrong(
          "\(folder)/\(name)", "{output.documents} takes JSON lines with \"id\" and \"text\": \(error.message)")
      }
      try workspace.control.check()
    }
  }

  // MARK: Checks

  private static func need(_ name: String, _ names: [String], _ folder: String) throws {
    guard names.contains(name) else { throw missing(name, folder, "its kind of artifact has it") }
  }

  private static func checkObject(_ path: String) throws {
    let value = try? JSONValue.parse(FileSystem.read(path, limit: 256 << 20)).value
    guard value?.members != nil else { throw wrong(path, "it is not a JSON object") }
  }

  private static func missing(_ name: String, _ folder: String, _ why: String) -> StageError {
    wrong(folder, "the program wrote no \(name), but \(why)")
  }

  /// Paths of this run's folders say nothing to the user; the part from the port on does.
  private static func wrong(_ path: String, _ what: String) -> StageError {
    let part = path.split(separator: "/outputs/").last.map(String.init) ?? path
    return StageError(
      .check, "output.\(part)", what, hint: "Nothing was published. Write it as the port says, or to another port.")
  }
}
