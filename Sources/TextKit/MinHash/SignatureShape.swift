import Glibc

/// The parameters of signatures: shingles of `shingleWidth` scalars, and `bands` × `rows` hashes.
///
/// Two texts whose shingle sets have Jaccard similarity s share a band, and so become a candidate pair, with
/// a probability of 1 − (1 − s^rows)^bands (`recall(at:)`).
public struct SignatureShape: Sendable, Equatable, Hashable {
  public var shingleWidth: Int
  public var bands: Int
  public var rows: Int

  public init(shingleWidth: Int = 5, bands: Int = 20, rows: Int = 10) {
    self.shingleWidth = shingleWidth
    self.bands = bands
    self.rows = rows
  }

  /// Hashes per signature.
  public var hashes: Int { bands * rows }

  /// The number of hashes that fits on the kernel's stack.
  public static let maximumHashes = 4096
}

extension SignatureShape {
  /// The fraction of pairs with a given similarity that share a band, and so are found. 0…1.
  public func recall(at similarity: Double) -> Double {
    // 1 − (1 − s^rows)^bands, accurate near 0 and 1 too.
    -expm1(Double(bands) * log1p(-pow(similarity, Double(rows))))
  }

  /// The similarities for which recall is reported.
  public static let curve = [0.5, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95]

  /// `44 % at 0.70, 69 % at 0.75, …`, starting at `least`.
  public func recallText(from least: Double = 0) -> String {
    Self.curve.filter { $0 >= least }.map { similarity in
      let percent = min(99, Int((recall(at: similarity) * 100).rounded()))
      return "\(percent) % at 0.\(Int((similarity * 100).rounded()))"
    }.joined(separator: ", ")
  }

  /// Maximum number of hashes for a requested recall, to stay fast.
  private static let thriftyLanes = 512

  /// Bands and rows that find at least the fraction `recall` of the pairs with a given similarity: as many rows as fit
  /// in about 500 hashes, since more rows mean fewer unnecessary comparisons. Nil if no shape within `maximumHashes`
  /// does.
  public static func finding(
    _ recall: Double, at similarity: Double, shingleWidth: Int, maximumBands: Int = 1024
  ) -> SignatureShape? {
    var best: SignatureShape?
    for rows in 2...64 {
      let perBand = pow(similarity, Double(rows))
      let bands = perBand >= 1 ? 1 : max(1, (log1p(-recall) / log1p(-perBand)).rounded(.up))
      guard bands <= Double(maximumBands), Int(bands) * rows <= maximumHashes else { continue }
      let shape = SignatureShape(shingleWidth: shingleWidth, bands: Int(bands), rows: rows)
      if best == nil || shape.hashes <= thriftyLanes { best = shape }
    }
    return best
  }
}
