/// How many inputs go through a model at once where nothing is learned: as many as fill a number of places, padding included.
///
/// So the memory does not grow with the inputs' length, up to one input alone. On a GPU short texts fill it; on a CPU long
/// ones stay in its caches.
public struct FilledBatch: Sendable {
  /// Places of tokens.
  public let places: Int

  public init(isGPU: Bool) { places = isGPU ? 1 << 15 : 1 << 12 }

  /// - Parameters:
  ///   - lengths: tokens of the next inputs, ascending.
  ///   - sequences: of each input.
  /// - Returns: how many of the inputs come next; at least one, if there is any.
  func count(_ lengths: some Collection<Int>, sequences: Int = 1) -> Int {
    var count = 0
    for length in lengths {
      guard count == 0 || (count + 1) * sequences * Self.padded(length) <= places else { break }
      count += 1
    }
    return count
  }

  /// The length that a batch's longest sequence is padded to.
  static func padded(_ length: Int) -> Int { (length + 7) / 8 * 8 }
}
