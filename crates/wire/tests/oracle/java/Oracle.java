import java.io.BufferedInputStream;
import java.io.BufferedOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;

import org.apache.kafka.common.errors.UnsupportedVersionException;
import org.apache.kafka.common.message.RequestHeaderData;
import org.apache.kafka.common.message.ResponseHeaderData;
import org.apache.kafka.common.protocol.ApiKeys;
import org.apache.kafka.common.protocol.ApiMessage;
import org.apache.kafka.common.protocol.ByteBufferAccessor;
import org.apache.kafka.common.protocol.Errors;
import org.apache.kafka.common.protocol.Message;
import org.apache.kafka.common.protocol.ObjectSerializationCache;

/**
 * Kafka's own opinion on a message's bytes. {@code schemas} prints the schemas of the jar, {@code errors} the error codes with their
 * names; {@code answer} reads questions from standard input until it ends, and writes one answer each to standard output, in order.
 * Numbers are big-endian, texts and bytes have their length as 32 bits in front.
 *
 * <pre>
 * question: 0 message  name:text read_version:i16 count:u8 write_versions:i16.. bytes
 *           1 request  key:i16 version:i16 frame:bytes
 *           2 response key:i16 version:i16 frame:bytes
 *           3 message with all fields at their defaults  name:text
 * answer:   0 text (why the bytes cannot be read), or
 *           1 values:text, then for each version asked for 0 bytes, 1 text (not in that version), 2 text (null), 3 text (any other refusal)
 * </pre>
 *
 * A request or response is answered with its header: the values, and the header written again.
 */
public final class Oracle {
    private static final int MESSAGE = 0;
    private static final int REQUEST = 1;
    private static final int DEFAULT = 3;

    public static void main(String[] arguments) throws Exception {
        try (DataOutputStream out = new DataOutputStream(new BufferedOutputStream(System.out, 1 << 16))) {
            if (arguments[0].equals("schemas")) {
                Schemas.print(out);
            } else if (arguments[0].equals("errors")) {
                printErrors(out);
            } else {
                answer(new DataInputStream(new BufferedInputStream(System.in, 1 << 16)), out);
            }
        }
    }

    private static void printErrors(DataOutputStream out) throws IOException {
        for (Errors error : Errors.values()) {
            out.write((error.code() + " " + error + "\n").getBytes(StandardCharsets.UTF_8));
        }
    }

    private static void answer(DataInputStream in, DataOutputStream out) throws Exception {
        for (int kind = in.read(); kind >= 0; kind = in.read()) {
            if (kind == MESSAGE) {
                answerMessage(in, out);
            } else if (kind == DEFAULT) {
                out.writeByte(1);
                writeText(out, Values.text(Messages.named(readText(in)).makeDefault()));
            } else {
                answerFrame(kind == REQUEST, in, out);
            }
        }
    }

    private static void answerMessage(DataInputStream in, DataOutputStream out) throws Exception {
        Messages type = Messages.named(readText(in));
        short readVersion = in.readShort();
        short[] writeVersions = new short[in.readUnsignedByte()];
        for (int i = 0; i < writeVersions.length; i++) {
            writeVersions[i] = in.readShort();
        }
        ByteBuffer bytes = ByteBuffer.wrap(readBytes(in));
        Message message;
        String values;
        try {
            message = type.read(bytes, readVersion);
            if (bytes.hasRemaining()) {
                throw new IllegalStateException(bytes.remaining() + " bytes left over");
            }
            values = Values.text(message);
        } catch (Exception e) {
            out.writeByte(0);
            writeText(out, e.toString());
            return;
        }
        out.writeByte(1);
        writeText(out, values);
        for (short version : writeVersions) {
            answerWritten(out, message, version);
        }
    }

    private static void answerWritten(DataOutputStream out, Message message, short version) throws IOException {
        try {
            byte[] written = write(message, version);
            out.writeByte(0);
            writeBytes(out, written);
        } catch (UnsupportedVersionException e) {
            out.writeByte(1);
            writeText(out, e.getMessage());
        } catch (NullPointerException e) {
            out.writeByte(2);
            writeText(out, String.valueOf(e.getMessage()));
        } catch (Exception e) {
            out.writeByte(3);
            writeText(out, e.toString());
        }
    }

    private static void answerFrame(boolean request, DataInputStream in, DataOutputStream out) throws Exception {
        ApiKeys key = ApiKeys.forId(in.readShort());
        short version = in.readShort();
        ByteBuffer frame = ByteBuffer.wrap(readBytes(in));
        short headerVersion = request ? key.requestHeaderVersion(version) : key.responseHeaderVersion(version);
        ByteBufferAccessor accessor = new ByteBufferAccessor(frame);
        ApiMessage header;
        try {
            header = request ? new RequestHeaderData(accessor, headerVersion) : new ResponseHeaderData(accessor, headerVersion);
        } catch (Exception e) {
            out.writeByte(0);
            writeText(out, e.toString());
            return;
        }
        out.writeByte(1);
        writeText(out, "v" + headerVersion + " " + Values.text(header));
        out.writeByte(0);
        writeBytes(out, write(header, headerVersion));
    }

    private static byte[] write(Message message, short version) {
        ObjectSerializationCache cache = new ObjectSerializationCache();
        ByteBuffer bytes = ByteBuffer.allocate(message.size(cache, version));
        message.write(new ByteBufferAccessor(bytes), cache, version);
        if (bytes.hasRemaining()) {
            throw new IllegalStateException("written " + bytes.position() + " bytes of " + bytes.capacity());
        }
        return bytes.array();
    }

    private static String readText(DataInputStream in) throws IOException {
        return new String(readBytes(in), StandardCharsets.UTF_8);
    }

    private static byte[] readBytes(DataInputStream in) throws IOException {
        byte[] bytes = new byte[in.readInt()];
        in.readFully(bytes);
        return bytes;
    }

    private static void writeText(DataOutputStream out, String text) throws IOException {
        writeBytes(out, text.getBytes(StandardCharsets.UTF_8));
    }

    private static void writeBytes(DataOutputStream out, byte[] bytes) throws IOException {
        out.writeInt(bytes.length);
        out.write(bytes);
    }
}
