import Glibc
import ShardKit
import Synchronization

/// `Tests/Peers/peer-server` as a child process: runs scripts in forks of one process, which has imported what they need.
///
/// There is one server per test process and set of packages. It ends soon after its parent.
final class PeerServer: Sendable {
  /// The scripts that import torch or transformers, which takes seconds of processor time: one set for each server.
  private static let served: [Set<String>] = [
    [
      "baseline_bert.py", "bert_japanese_words.py", "contrast_reference.py", "fused_kernels.py",
      "huggingface_models.py", "huggingface_safetensors.py", "huggingface_transformers.py", "reference_model.py",
      "sentence_vectors.py", "vector_figures.py",
    ],
    // These put an empty module in torchvision's place.
    ["mosaicml_order.py", "mosaicml_streaming.py"],
  ]

  /// The option of scripts that shall import another release; a server has one.
  private static let newer = "--transformers5"
  private static let servers = Mutex<[String: PeerServer]>([:])

  private let port: Int

  private init(_ options: [String]) throws {
    let program = packagePath("Tests/Peers/peer-server")
    let child = try ChildProcess([program] + options, program: PeerScript.interpreter)
    guard let port = try child.greeting(of: "peer-server")["port"]?.integer else {
      throw ShardError(.io, program, "names no port: \(try child.outputSoFar())")
    }
    self.port = port
  }

  /// Runs a script in a fork, if it is one of those that are run so. Returns nil for others.
  /// - Parameter isQuiet: its standard error is dropped; else it is this process's.
  static func run(_ script: String, _ arguments: [String], isQuiet: Bool) -> (status: Int32, output: [UInt8])? {
    guard let group = served.firstIndex(where: { $0.contains(script) }) else { return nil }
    let isNewer = arguments.first == newer
    do {
      let server = try server(of: group, isNewer ? [newer] : [])
      return try server.run([script] + (isNewer ? Array(arguments.dropFirst()) : arguments), isQuiet)
    } catch {
      if !isQuiet { complain(Array("\(script): \(error)\n".utf8)) }
      return (-1, [])
    }
  }

  private static func complain(_ words: [UInt8]) {
    _ = words.withUnsafeBytes { write(2, $0.baseAddress, $0.count) }
  }

  private static func server(of group: Int, _ options: [String]) throws -> PeerServer {
    try servers.withLock { servers in
      let key = ([String(group)] + options).joined(separator: " ")
      if let server = servers[key] { return server }
      let server = try PeerServer(options)
      servers[key] = server
      return server
    }
  }

  private func run(_ arguments: [String], _ isQuiet: Bool) throws -> (status: Int32, output: [UInt8]) {
    let folder = temporaryDirectory()
    defer { try? FileSystem.removeTree(folder) }
    let output = folder + "/out", errors = folder + "/err"
    let order: JSONValue = ["arguments": .strings(arguments), "output": .string(output), "errors": .string(errors)]
    let answer = try Loopback(port: port, server: "peer-server").bytes(order.text() + "\n")
    guard let status = try? JSONValue.parse(answer).value["status"]?.integer else {
      throw ShardError(.io, arguments[0], "was not run to its end by Tests/Peers/peer-server")
    }
    if !isQuiet { Self.complain(try FileSystem.read(errors)) }
    return (Int32(status), try FileSystem.read(output))
  }
}
