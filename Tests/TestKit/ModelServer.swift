import Glibc
import ShardKit

/// `Tests/Peers/model-server` as a child process: a small language model behind transformers' server.
public final class ModelServer {
  /// `http://127.0.0.1:PORT/v1`
  public let endpoint: String
  /// The model's name: the folder that it is in.
  public let model: String
  private let child: ChildProcess
  private let folder = temporaryDirectory()
  private var isStopped = false

  /// Whether the server's modules are there.
  public static let isUsable = PeerScript.has("openai", in: "transformers5")

  /// Trains the model, which takes seconds, and starts the server.
  public init() throws {
    model = folder + "/model"
    child = try ChildProcess([packagePath("Tests/Peers/model-server"), model], program: PeerScript.interpreter)
    endpoint = "http://127.0.0.1:\(try child.greeting(of: "model-server")["http"]?.integer ?? 0)/v1"
  }

  deinit {
    stop()
    try? FileSystem.removeTree(folder)
  }

  /// From now on nobody answers.
  public func stop() {
    guard !isStopped else { return }
    isStopped = true
    child.signal(SIGKILL)
    _ = try? child.wait()
  }
}
