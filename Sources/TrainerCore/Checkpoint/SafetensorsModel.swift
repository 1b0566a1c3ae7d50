public import ShardKit

/// The tensors of a model: one safetensors file, or several under a `model.safetensors.index.json`.
public struct SafetensorsModel: Sendable {
  /// Names, sorted by bytes.
  public let names: [String]
  private let files: [SafetensorsFile]
  private let fileOfName: [String: Int]

  /// - Parameter path: a `.safetensors` file, or a folder with `model.safetensors` or the index of its parts.
  /// - Throws: `ShardError` if there is no such file, or it is damaged, or the index and the parts disagree.
  public init(_ path: String) throws(ShardError) {
    guard FileSystem.isDirectory(path) else {
      self.init(try SafetensorsFile(path))
      return
    }
    let index = path + "/model.safetensors.index.json"
    let whole = path + "/model.safetensors"
    if FileSystem.exists(index) && !FileSystem.exists(whole) {
      try self.init(index: index, folder: path)
    } else if FileSystem.exists(whole) {
      self.init(try SafetensorsFile(whole))
    } else {
      if let pickled = Self.pickled(in: path) { throw pickled }
      throw ShardError(
        .notFound, path, "holds neither model.safetensors nor model.safetensors.index.json",
        hint: "Name a folder as `save_pretrained` of transformers writes it.")
    }
  }

  /// The error of a folder that has PyTorch's own files instead, as older models do; nil if it has none.
  public static func pickled(in folder: String) -> ShardError? {
    let names = ["pytorch_model.bin", "pytorch_model.bin.index.json"]
    guard let name = names.first(where: { FileSystem.exists("\(folder)/\($0)") }) else { return nil }
    return ShardError(
      .unsupported, "\(folder)/\(name)",
      "is PyTorch's own format, which may run code when it is loaded; it is not read",
      hint: "Convert it in that folder: python3 -c \"import glob, torch, safetensors.torch as s; s.save_file({k: "
        + "v.clone().contiguous() for f in sorted(glob.glob('pytorch_model*.bin')) for k, v in torch.load(f, "
        + "map_location='cpu', weights_only=True).items()}, 'model.safetensors', metadata={'format': 'pt'})\"")
  }

  private init(_ file: SafetensorsFile) {
    files = [file]
    names = file.entries.map(\.name).sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
    fileOfName = [String: Int](uniqueKeysWithValues: names.map { ($0, 0) })
  }

  private init(index: String, folder: String) throws(ShardError) {
    let text = try FileSystem.read(index, limit: Safetensors.maximumHeaderBytes)
    let json: JSONValue
    do { json = try JSONValue.parse(text).value } catch {
      throw ShardError(.malformed, index, "is not JSON at byte \(error.offset): \(error.message)")
    }
    guard let map = json["weight_map"]?.members else {
      throw ShardError(.malformed, index, "has no object 'weight_map'")
    }
    var files: [SafetensorsFile] = []
    var numbers: [String: Int] = [:]
    var fileOfName: [String: Int] = [:]
    for member in map {
      guard let part = member.value.string, Self.isPlain(part) else {
        throw ShardError(
          .malformed, index, "tensor '\(member.key)' is in \(member.value.text()), which is not a file of the folder")
      }
      if numbers[part] == nil {
        numbers[part] = files.count
        files.append(try SafetensorsFile(folder + "/" + part))
      }
      let number = numbers[part]!
      guard files[number][member.key] != nil else {
        throw ShardError(.malformed, index, "tensor '\(member.key)' is not in \(part), where the index has it")
      }
      fileOfName[member.key] = number
    }
    self.files = files
    self.fileOfName = fileOfName
    names = fileOfName.keys.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
  }

  /// A visible file name without a path.
  private static func isPlain(_ name: String) -> Bool {
    ArchivePath.isSafe(name) && !name.utf8.contains(0x2F) && name.utf8.first != UInt8(ascii: ".")
  }

  /// The file that contains a tensor.
  /// - Throws: `ShardError` if there is no tensor of that name.
  public func file(of name: String) throws(ShardError) -> SafetensorsFile {
    guard let number = fileOfName[name] else {
      let example = names.first ?? ""
      throw ShardError(
        .malformed, files.first?.path ?? "model",
        "has no tensor '\(name)'; it has \(names.count), such as '\(example)'")
    }
    return files[number]
  }

  /// nil if there is no tensor of that name.
  public subscript(name: String) -> Safetensors.Entry? { fileOfName[name].flatMap { files[$0][name] } }

  /// Lends a tensor's bytes to `body`; see `SafetensorsFile.withBytes`.
  /// - Throws: `ShardError` if there is no tensor of that name; what `body` throws.
  public func withBytes<Result>(
    of name: String, _ body: (Safetensors.Entry, UnsafeRawBufferPointer) throws(ShardError) -> Result
  ) throws(ShardError) -> Result {
    try file(of: name).withBytes(of: name, body)
  }

  /// A tensor's values in row-major order; see `SafetensorsFile.floats`.
  /// - Throws: `ShardError` if there is no tensor of that name, or its elements are not floating point.
  public func floats(of name: String) throws(ShardError) -> [Float] { try file(of: name).floats(of: name) }
}
