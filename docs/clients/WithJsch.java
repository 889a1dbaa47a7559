// A sender on JSch 0.1: java -cp jsch.jar WithJsch.java send|rename|resume|list|fetch|delete [STEM].
// H, P and U in the environment name host, port and user; login is the private RSA key,
// known the host's ECDSA key in OpenSSH's form.

import com.jcraft.jsch.ChannelSftp;
import com.jcraft.jsch.JSch;
import com.jcraft.jsch.Session;
import com.jcraft.jsch.SftpException;
import java.io.File;
import java.util.List;

public class WithJsch {
    public static void main(String[] arguments) throws Exception {
        JSch jsch = new JSch();
        jsch.addIdentity("login");
        jsch.setKnownHosts("known");
        int port = Integer.parseInt(System.getenv("P"));
        Session session = jsch.getSession(System.getenv("U"), System.getenv("H"), port);
        session.setConfig("StrictHostKeyChecking", "yes");
        session.setConfig("PreferredAuthentications", "publickey");
        // Without this line JSch 0.1 asks for a key of another type than the one it knows.
        session.setConfig("server_host_key", "ecdsa-sha2-nistp256");
        session.connect(20000);
        try {
            ChannelSftp sftp = (ChannelSftp) session.openChannel("sftp");
            sftp.connect(20000);
            carryOut(sftp, arguments[0], arguments.length > 1 ? arguments[1] : "");
        } finally {
            session.disconnect();
        }
    }

    private static void remove(ChannelSftp sftp, String path) throws SftpException {
        try {
            sftp.rm(path);
        } catch (SftpException error) {
            if (error.id != ChannelSftp.SSH_FX_NO_SUCH_FILE) throw error;
        }
    }

    private static void carryOut(ChannelSftp sftp, String order, String stem) throws Exception {
        String fi = "FI." + stem + ".1.1";
        switch (order) {
            case "send":
                for (String name : List.of(fi, "FS." + stem + ".1.1", "GO." + stem + ".1"))
                    sftp.put(name, "IN/" + name);
                break;
            case "rename":
                sftp.put(fi, "IN/" + fi + ".part");
                sftp.rename("IN/" + fi + ".part", "IN/" + fi);
                break;
            case "resume":
                sftp.put(fi, "IN/" + fi, ChannelSftp.RESUME);
                break;
            case "list":
                for (Object found : sftp.ls("IN")) System.out.println(found);
                break;
            case "fetch":
                sftp.get("OUT/*", "answers");
                break;
            case "delete":
                for (String name : new File("answers").list()) remove(sftp, "OUT/" + name);
                break;
            default:
                throw new IllegalArgumentException(order);
        }
    }
}
