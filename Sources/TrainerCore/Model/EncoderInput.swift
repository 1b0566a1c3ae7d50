/// A microbatch as the encoder reads it: the tokens of all sequences end to end, without padding.
public struct EncoderInput: Sendable {
  public let batch: Int
  /// Places of a sequence, padding included.
  public let length: Int
  /// Token ids, [tokens].
  public let ids: Tensor
  /// Each token's place among batch·length, [tokens]; nil if there is no padding, so that nothing has to be moved.
  public let places: Tensor?
  /// 0 or 1 per token, for sentence pairs, [tokens]; nil: all are 0.
  public let types: Tensor?
  /// Where each sequence begins among the tokens.
  public let starts: [Int64]
  private let lengths: [Int32]
  private let samples: [Int64]?
  /// Empty: each sequence is one.
  private let segments: [Int32]
  private let engine: Engine
  let device: Device

  /// - Parameters:
  ///   - ids: batch·length ids, padded at the end of each sequence.
  ///   - lengths: tokens of each sequence, at least 1.
  ///   - types: batch·length token types; nil: 0 everywhere.
  ///   - samples: the sequences' names for dropout, such as their numbers in the batch; nil: their numbers here.
  ///   - segments: batch·length numbers of each sequence's segments, which do not see each other and whose positions
  ///     begin at 0; equal numbers are next to each other. Empty: each sequence is one segment.
  /// - Throws: `TorchError` (`operation`) if there is no memory on the device.
  public init(
    ids: [Int32], lengths: [Int32], length: Int, types: [Int32]? = nil, samples: [Int64]? = nil,
    segments: [Int32] = [], engine: Engine, device: Device
  ) throws(TorchError) {
    batch = lengths.count
    self.length = length
    self.lengths = lengths
    self.samples = samples
    self.segments = segments
    self.engine = engine
    self.device = device
    precondition(ids.count == batch * length, "ids do not fill batch × length")
    var starts: [Int64] = []
    var total = 0
    for count in lengths {
      starts.append(Int64(total))
      total += Int(count)
    }
    self.starts = starts
    let isFull = total == ids.count
    var tokens = [Int64](), places = [Int64](), kinds = [Int64]()
    tokens.reserveCapacity(total)
    if !isFull { places.reserveCapacity(total) }
    for (row, count) in lengths.enumerated() {
      for position in 0..<Int(count) {
        let place = row * length + position
        tokens.append(Int64(ids[place]))
        if !isFull { places.append(Int64(place)) }
        if let types { kinds.append(Int64(types[place])) }
      }
    }
    self.ids = try engine.tensor(tokens, on: device)
    self.places = isFull ? nil : try engine.tensor(places, on: device)
    self.types = types == nil ? nil : try engine.tensor(kinds, on: device)
  }

  /// 0 where a token may be seen and −10,000 elsewhere: on padding, [batch, 1, 1, length], or also on other segments,
  /// [batch, 1, length, length]; nil: all tokens are seen.
  public var padding: Tensor? {
    get throws(TorchError) {
      guard segments.isEmpty else {
        return try engine.tensor(segments.map(Int64.init), on: device, shape: [batch, length]).separation()
      }
      return places == nil ? nil : try Self.mask(lengths, length, engine, device)
    }
  }

  /// Whether every sequence is full, and one segment.
  public var isPlain: Bool { places == nil && segments.isEmpty }

  /// Whether attention over whole sequences has a kernel on a GPU that is faster than the one over segments.
  var hasShortKernel: Bool { isPlain && 65...128 ~= length }

  /// Where each token's segment begins and ends among the tokens, int32 [2, tokens]; nil: each sequence is a full segment.
  /// - Parameter reach: the farthest token of the segment that counts; nil: all of it.
  /// - Throws: `TorchError` (`operation`) if there is no memory on the device.
  public func bounds(reach: Int? = nil) throws(TorchError) -> Tensor? {
    if isPlain, length <= reach.map({ $0 + 1 }) ?? length { return nil }
    return try engine.tensor(segmentBounds(reach: reach), on: device, shape: [2, tokens])
  }

  /// The segments' bounds, no farther from each token than `reach`.
  func segmentBounds(reach: Int?) -> [Int32] {
    var bounds = segmentBounds
    guard let reach, reach < length else { return bounds }
    for token in 0..<tokens {
      bounds[token] = max(bounds[token], Int32(token - reach))
      bounds[tokens + token] = min(bounds[tokens + token], Int32(token + reach + 1))
    }
    return bounds
  }

  /// The beginnings of all tokens' segments, then their ends.
  var segmentBounds: [Int32] {
    var bounds = [Int32](repeating: 0, count: 2 * tokens), token = 0
    for (row, count) in lengths.enumerated() {
      let end = token + Int(count)
      while token < end {
        let place = row * length + token - (end - Int(count))
        var next = token + 1
        while next < end, segments.isEmpty || segments[place + next - token] == segments[place] { next += 1 }
        for i in token..<next { (bounds[i], bounds[tokens + i]) = (Int32(token), Int32(next)) }
        token = next
      }
    }
    return bounds
  }

  private static func mask(
    _ lengths: [Int32], _ length: Int, _ engine: Engine, _ device: Device
  ) throws(TorchError) -> Tensor {
    var mask = [Float](repeating: -10_000, count: lengths.count * length)
    for (row, count) in lengths.enumerated() {
      for position in 0..<Int(count) { mask[row * length + position] = 0 }
    }
    return try engine.tensor(mask, on: device, shape: [lengths.count, 1, 1, length])
  }

  /// Each token's position in its sequence, or its segment, [tokens]: for models with a position table.
  /// - Throws: `TorchError` (`operation`) if there is no memory on the device.
  public func positions() throws(TorchError) -> Tensor {
    guard !segments.isEmpty else { return try engine.tensor(eachToken { _, position in position }, on: device) }
    var start: Int64 = 0
    let within = eachToken { row, position in
      let place = row * length + Int(position)
      if position == 0 || segments[place] != segments[place - 1] { start = position }
      return position - start
    }
    return try engine.tensor(within, on: device)
  }

  /// Names for dropout: each token's, [tokens], and each sequence's, [batch]. However a batch is split into
  /// microbatches, the same values of its tokens are dropped.
  /// - Throws: `TorchError` (`operation`) if there is no memory on the device.
  public func names() throws(TorchError) -> (tokens: Tensor, sequences: Tensor) {
    let names = samples ?? (0..<batch).map(Int64.init)
    // No sequence has 2²⁴ tokens.
    let tokens = try engine.tensor(eachToken { row, position in names[row] << 24 | position }, on: device)
    return (tokens, try engine.tensor(names, on: device))
  }

  private func eachToken(_ value: (Int, Int64) -> Int64) -> [Int64] {
    var values: [Int64] = []
    values.reserveCapacity(tokens)
    for (row, count) in lengths.enumerated() {
      for position in 0..<Int64(count) { values.append(value(row, position)) }
    }
    return values
  }

  /// The rows among the tokens that are at places of batch·length.
  public func rows(at places: [Int64]) -> [Int64] {
    places.map { starts[Int($0) / length] + $0 % Int64(length) }
  }

  /// The mean of each sequence's tokens: [tokens, d] → [batch, d], in the same type.
  /// - Throws: `TorchError` (`operation`) if there is no memory on the device.
  func mean(of vectors: Tensor, on device: Device) throws(TorchError) -> Tensor {
    var tokens = try vectors.to(.float32, device: device)
    if let places { tokens = try tokens.scattered(to: places, of: batch * length) }
    let counts = try engine.tensor(lengths.map { Float($0) }, on: device, shape: [batch, 1])
    return try tokens.reshape(batch, length, vectors.shape[1]).sum(1).divided(by: counts)
      .to(vectors.dtype, device: device)
  }

  /// The number of tokens, without padding.
  public var tokens: Int { ids.shape[0] }
}
