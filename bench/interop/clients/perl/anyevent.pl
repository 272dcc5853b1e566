use v5.36;
use utf8;

use AnyEvent;
use AnyEvent::WebSocket::Client;
use AnyEvent::WebSocket::Message;
use Encode 'encode';

$| = 1;
my ($url) = @ARGV;
my $done = AnyEvent->condvar;
my $ws   = AnyEvent::WebSocket::Client->new(max_payload_size => 1 << 20, ssl_ca_file => $ENV{SSL_CERT_FILE})->connect($url)->recv;
$ws->on(each_message => sub ($ws, $message, @) {
  say $message->is_text ? 'text ' : 'binary ', unpack 'H*', $message->body;
  $ws->close(1000) if $message->is_text && $message->body eq 'bye';
});
$ws->on(finish => sub ($ws, @) {
  say 'closed ', $ws->close_code;
  $done->send;
});
my $binary = AnyEvent::WebSocket::Message->new(body => join('', map chr, 0 .. 255), opcode => 2);
$ws->send($_) for 'Grüße, 世界 🙂', $binary, 'fragmented', 'x' x 65536;
$done->recv;
