import PipelineKit
import ShardKit
import TextKit

/// Lists of phrases: the built-in ones, and files with one phrase per line.
enum PhraseLists {
  /// Phrases of shops and advertising, collected for this project.
  static let ads = words(
    """
    送料無料 無料体験 無料お試し 無料相談 無料見積もり 無料会員登録 会員登録はこちら 今なら無料 初回限定 初回無料 期間限定
    数量限定 先着順 限定セール タイムセール 大特価 激安 格安 最安値 お買い得 お得な特典 割引クーポン クーポンコード
    ポイント還元 ポイント倍 キャッシュバック 全額返金 返金保証 即日発送 翌日配送 在庫あり 在庫切れ 在庫限り 残りわずか
    ご注文はこちら ご購入はこちら お申し込みはこちら 資料請求 お問い合わせください お気軽にお問い合わせ 詳しくはこちら
    詳細はこちら 今すぐ購入 今すぐ登録 今すぐチェック カートに入れる 買い物かご 商品一覧 売れ筋 人気ランキング
    おすすめ商品 口コミ 楽天市場 通販 公式サイト 公式通販 正規品 代引き 代金引換 後払い 分割払い 税込 税抜 送料
    営業時間 定休日 フリーダイヤル 年中無休 スポンサーリンク アフィリエイト 広告掲載 よくある質問 高額買取 買取価格
    副業 在宅ワーク 簡単に稼げる 必ず儲かる 不労所得 即日融資 審査なし 出会い系 メルマガ登録 メールマガジン
    LINE登録 友だち追加 プレゼントキャンペーン キャンペーン実施中 特別価格 会員限定
    """)

  /// Phrases of forums and comment sections, collected for this project. Words that are common in prose (質問, 引用) are
  /// not included.
  static let forum =
    words(
      """
      名無しさん 投稿者 投稿日 投稿日時 投稿 コメント レビュー 返信 返信する 書き込み 書き込む 新着レス スレ スレッド スレ主
      トピック主 トピ主 質問する 回答する 回答数 ベストアンサー 閲覧数 通報する 違反報告 参考になった 前スレ 次スレ 過去ログ
      掲示板 管理人 既読
      """) + ["SOLD OUT"]

  private static func words(_ text: String) -> [String] { text.split { $0 == " " || $0 == "\n" }.map(String.init) }

  /// The lines of files, without blank ones.
  static func read(_ files: [ArtifactFile]) throws -> [String] {
    try files.flatMap { file in
      let bytes = try openSource(file.path).readAll(limit: 64 << 20)
      let valid = bytes.withUnsafeBufferPointer { UTF8Scanning.validPrefix($0) }
      guard valid == bytes.count else {
        throw StageError(
          .input, file.name, "the list is not UTF-8 at byte \(valid)",
          hint: "Save the list as UTF-8, one phrase per line.")
      }
      let text = bytes.starts(with: [0xEF, 0xBB, 0xBF]) ? bytes[3...] : bytes[...]
      return text.split { $0 == 0x0A || $0 == 0x0D }.map { String(decoding: $0, as: UTF8.self) }
    }
  }
}
