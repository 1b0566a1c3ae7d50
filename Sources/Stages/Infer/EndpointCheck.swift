import NetKit
public import PipelineKit
import ShardKit

/// Whether the endpoints of a pipeline answer and know their models, without asking them anything.
public struct EndpointCheck: Sendable {
  /// The stage that asks.
  public let stage: String
  public let isGood: Bool
  /// What was found.
  public let message: String
  /// What to do if it is not good.
  public let advice: String?

  /// The findings of all stages that ask an endpoint, in the order of the pipeline file.
  public static func all(_ graph: Graph) -> [EndpointCheck] {
    graph.nodes.compactMap { node in
      (node.configured.stage as? InferEndpoint).map { EndpointCheck(node.name, $0.options) }
    }
  }

  private static let seconds = 30

  private init(_ stage: String, _ options: InferEndpoint.Options) {
    self.stage = stage
    do {
      (isGood, message, advice) = try Self.look(options)
    } catch {
      let described = error as? any DescribedError
      isGood = false
      message = described.map { $0.subject.isEmpty ? $0.message : "\($0.subject): \($0.message)" } ?? "\(error)"
      advice = described?.hint ?? "Check \"endpoint\"."
    }
  }

  private static func look(_ options: InferEndpoint.Options) throws -> (Bool, String, String?) {
    var limits = options.limits
    limits.answerSeconds = seconds
    limits.attempts = 1
    let endpoint = try options.access.chatEndpoint(options.endpoint, limits)
    let models = try endpoint.models(try options.access.client(limits, TaskControl()))
    let place = endpoint.url.shown
    guard let models else {
      return (true, "\(place) answers; it has no list of models, so \(options.model) may be unknown to it", nil)
    }
    if models.contains(where: { $0.isExactly(options.model) }) { return (true, "\(place) has \(options.model)", nil) }
    let some = models.prefix(5).joined(separator: ", ")
    return (
      false, "\(place) has no model \(options.model)", models.isEmpty ? "It has none." : "It has \(some)."
    )
  }
}
